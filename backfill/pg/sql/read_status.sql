-- All jobs of this database, or one: how they stand, what they wait for, and who works on them.
SELECT
    j.name, j.state, j.reason, j.worker, j.spec ->> 'table' AS "table", j.rows_unconverged, j.samples,
    s.pass_number, s.end_page, s.window_start, s.window_end, s.stripes, s.stripe, s.next_tid::text AS next_tid,
    s.rows_total, s.wal_bytes,
    extract(epoch FROM clock_timestamp() - greatest(j.updated_at, s.updated_at))::float8 AS idle_s,
    EXISTS (
        SELECT FROM pg_stat_activity a
        WHERE a.datname = current_database() AND a.application_name = j.worker
    ) AS connected,
    (
        SELECT coalesce(sum(b.rows) / nullif(extract(epoch FROM max(b.at) - min(b.at)), 0), 0)::float8
        FROM backfill.batch b
        WHERE b.job = j.name AND b.at > clock_timestamp() - interval '30 s'
    ) AS rows_s
FROM backfill.job j
LEFT JOIN backfill.scan s ON s.job = j.name
WHERE %(job)s::text IS NULL OR j.name = %(job)s
ORDER BY j.name
