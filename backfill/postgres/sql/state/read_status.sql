-- All jobs of this database, or one: how they stand, what they wait for, and who works on them.
SELECT
    j.name, j.state, j.reason, j.waits_for, j.worker, j.tuned, j.tuned_until,
    to_char(clock_timestamp() AT TIME ZONE 'UTC', 'YYYY-MM-DD"T"HH24:MI:SS.US') || 'Z' AS now,
    j.spec ->> 'table' AS "table", j.rows_unconverged, j.samples, j.finish,
    (SELECT count(*) FROM backfill.rejected r WHERE r.job = j.name) AS rows_rejected,
    ARRAY(
        SELECT r.leaf || ' ' || r.key || ': ' || split_part(r.message, E'\n', 1)
        FROM backfill.rejected r
        WHERE r.job = j.name
        ORDER BY r.at DESC
        LIMIT 5
    ) AS rejected,
    (
        SELECT (j.sync_trigger ->> 'name') || CASE
            WHEN count(*) = 0 THEN ' (missing)' WHEN bool_or(t.tgenabled <> 'A') THEN ' (disabled)' ELSE ''
        END
        FROM pg_trigger t JOIN pg_proc p ON p.oid = t.tgfoid
        WHERE p.pronamespace = to_regnamespace('backfill') AND p.proname = j.sync_trigger ->> 'function'
    ) AS sync_trigger,
    j.leaves, j.pages, s.checkpoints, extract(epoch FROM clock_timestamp() - CASE
        WHEN isfinite(greatest(j.updated_at, s.updated_at)) THEN greatest(j.updated_at, s.updated_at)
    END)::float8 AS idle_s,
    EXISTS (
        SELECT FROM pg_stat_activity a
        WHERE a.datname = current_database() AND a.application_name = j.worker
    ) AS connected,
    (
        SELECT e.text FROM backfill.event e
        WHERE e.job = j.name AND e.kind = 'vacuumed'
        ORDER BY e.at DESC
        LIMIT 1
    ) AS vacuum,
    (
        SELECT coalesce(sum(b.rows) / nullif(extract(epoch FROM max(b.at) - min(b.at)), 0), 0)::float8
        FROM backfill.batch b
        WHERE b.job = j.name AND b.at > clock_timestamp() - interval '30 s'
    ) AS rows_s,
    (
        SELECT jsonb_build_object(
            'low_s', b.eta_low_s, 'high_s', b.eta_high_s, 'age_s', extract(epoch FROM clock_timestamp() - b.at)
        )
        FROM backfill.batch b
        WHERE b.job = j.name AND isfinite(b.at)
        ORDER BY b.at DESC
        LIMIT 1
    ) AS estimate
FROM backfill.job j
CROSS JOIN LATERAL (
    SELECT max(c.updated_at) AS updated_at, coalesce(jsonb_agg(
        to_jsonb(c) - 'proof' || jsonb_build_object('done', c.proof IS NOT NULL) ORDER BY c.updated_at, c.leaf, c.lane), '[]') AS checkpoints
    FROM backfill.checkpoint c
    WHERE c.job = j.name
) s
WHERE %(job)s::text IS NULL OR j.name = %(job)s
ORDER BY j.name
