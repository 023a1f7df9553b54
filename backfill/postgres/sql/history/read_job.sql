-- A job as a report shows it: how it stands, what it filled and what its file and people set.
SELECT
    j.name, j.state, j.reason, j.spec, j.limits, j.tuned, j.samples, j.rows_unconverged, j.finish, j.pages,
    clock_timestamp() AS read_at, j.created_at, j.updated_at, j.finished_at,
    (SELECT count(*) FROM backfill.rejected r WHERE r.job = j.name) AS rows_rejected,
    ARRAY(
        SELECT r.leaf || ' ' || r.key || ': ' || split_part(r.message, E'\n', 1)
        FROM backfill.rejected r
        WHERE r.job = j.name
        ORDER BY r.at DESC
        LIMIT 20
    ) AS rejected,
    coalesce(c.rows_total, 0)::bigint AS rows_total, coalesce(c.wal_bytes, 0)::bigint AS wal_bytes,
    coalesce(c.passes, 0) AS passes, coalesce(c.updated_at, j.updated_at) AS moved_at
FROM backfill.job j
CROSS JOIN LATERAL (
    SELECT
        sum(k.rows_total) AS rows_total, sum(k.wal_bytes) AS wal_bytes, max(k.pass_number) AS passes,
        max(k.updated_at) AS updated_at
    FROM backfill.checkpoint k
    WHERE k.job = j.name
) c
WHERE j.name = %(job)s AND isfinite(j.created_at) AND isfinite(j.updated_at)
