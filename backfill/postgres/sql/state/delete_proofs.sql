-- A job that has ended begins again: no leaf of it counts as done, and every row that matches may be updated once more.
UPDATE backfill.checkpoint SET proof = NULL, unconverged_xids = '{}'
WHERE job = %(job)s AND (proof IS NOT NULL OR unconverged_xids <> '{}')
