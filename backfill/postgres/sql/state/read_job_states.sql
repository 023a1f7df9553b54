-- How these jobs stand.
SELECT name, state FROM backfill.job WHERE name = ANY(%(jobs)s)
