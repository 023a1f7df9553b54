-- Limits that differ from the job file from now on, some only until an end; the worker reads them before its next decision.
UPDATE backfill.job SET tuned = %(tuned)s, tuned_until = %(tuned_until)s WHERE name = %(job)s
