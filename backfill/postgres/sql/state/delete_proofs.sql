-- A job that has ended begins again: no leaf of it counts as done.
UPDATE backfill.checkpoint SET proof = NULL WHERE job = %(job)s AND proof IS NOT NULL
