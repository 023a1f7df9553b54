-- A job goes, with all that is kept of it.
DELETE FROM backfill.job WHERE name = %(job)s
