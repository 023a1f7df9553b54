-- What people ask of a job: limits that differ from its file (backfill tune), and the last request that is not tune.
SELECT
    j.tuned, j.tuned_until,
    to_char(clock_timestamp() AT TIME ZONE 'UTC', 'YYYY-MM-DD"T"HH24:MI:SS.US') || 'Z' AS now,
    r.number, r.action, r.role, r.reason,
    to_char(r.at AT TIME ZONE 'UTC', 'YYYY-MM-DD HH24:MI') || ' UTC' AS since,
    to_char(r.until AT TIME ZONE 'UTC', 'YYYY-MM-DD HH24:MI') || ' UTC' AS until,
    CASE WHEN isfinite(r.until) THEN extract(epoch FROM r.until - clock_timestamp())::float8 END AS left_s
FROM backfill.job j
LEFT JOIN LATERAL (
    SELECT q.* FROM backfill.request q WHERE q.job = j.name AND q.action <> 'tune' ORDER BY q.number DESC LIMIT 1
) r ON true
WHERE j.name = %(job)s
