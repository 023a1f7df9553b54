-- How a worker's run ended.
UPDATE backfill.job
SET state = %(state)s, reason = %(reason)s, waits_for = NULL, rows_unconverged = %(rows_unconverged)s, samples = %(samples)s,
    updated_at = now(), finished_at = CASE WHEN %(state)s IN ('done', 'unconverged') THEN now() END
WHERE name = %(job)s
