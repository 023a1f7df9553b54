-- What people asked of a job, the last 200.
SELECT r.at, r.role, r.client, r.action, r.until, r.reason, r.limits::text AS limits
FROM (
    SELECT * FROM backfill.request q WHERE q.job = %(job)s AND isfinite(q.at) ORDER BY q.number DESC LIMIT 200
) r
ORDER BY r.number
