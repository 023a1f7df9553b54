-- How jobs stand, and what was asked of each last: what a new request is answered from. All jobs, or one.
SELECT
    j.name, j.state, j.waits_for, j.reason AS waits_why,
    EXISTS (
        SELECT FROM pg_stat_activity a
        WHERE a.datname = current_database() AND a.application_name = j.worker
    ) AS connected,
    r.number, r.action, r.role, r.reason,
    to_char(r.at AT TIME ZONE 'UTC', 'YYYY-MM-DD HH24:MI') || ' UTC' AS since,
    to_char(r.until AT TIME ZONE 'UTC', 'YYYY-MM-DD HH24:MI') || ' UTC' AS until,
    CASE WHEN isfinite(r.until) THEN extract(epoch FROM r.until - clock_timestamp())::float8 END AS left_s
FROM backfill.job j
LEFT JOIN LATERAL (
    SELECT q.* FROM backfill.request q WHERE q.job = j.name AND q.action <> 'tune' ORDER BY q.number DESC LIMIT 1
) r ON true
WHERE %(job)s::text IS NULL OR j.name = %(job)s
ORDER BY j.name
