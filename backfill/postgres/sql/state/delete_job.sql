-- A job that was refused before it changed a row goes, with all that is kept of it.
DELETE FROM backfill.job WHERE name = %(job)s
