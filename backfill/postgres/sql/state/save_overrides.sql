-- Limits that differ from the job file from now on; the worker reads them before its next decision.
UPDATE backfill.job SET tuned = %(tuned)s WHERE name = %(job)s
