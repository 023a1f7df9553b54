-- Limits that somebody changed while the job runs (backfill tune).
SELECT tuned FROM backfill.job WHERE name = %(job)s
