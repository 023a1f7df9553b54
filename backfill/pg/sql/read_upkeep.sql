-- What keeps the table healthy: its dead tuples, the oldest snapshot that holds their removal back, an urgent vacuum.
-- A snapshot is known by its xmin; where that of a standby (hot_standby_feedback) or a prepared transaction is older
-- than any here, its age is not told by the server, but by how many transactions began since.
WITH held AS (
    SELECT age(a.backend_xmin) AS xids, extract(epoch FROM clock_timestamp() - a.xact_start)::float8 AS age_s,
        coalesce(nullif(a.application_name, ''), a.backend_type) || ' pid ' || a.pid AS holder
    FROM pg_stat_activity a
    WHERE a.datname = current_database() AND a.backend_xmin IS NOT NULL AND a.pid <> pg_backend_pid()
      AND a.application_name IS DISTINCT FROM current_setting('application_name')
    UNION ALL
    SELECT age(r.backend_xmin), NULL, 'a query on standby ' || r.application_name
    FROM pg_stat_replication r WHERE r.backend_xmin IS NOT NULL
    UNION ALL
    SELECT age(s.xmin), NULL, 'slot ' || s.slot_name FROM pg_replication_slots s WHERE s.xmin IS NOT NULL
    UNION ALL
    SELECT age(p.transaction), extract(epoch FROM clock_timestamp() - p.prepared)::float8, 'prepared ' || p.gid
    FROM pg_prepared_xacts p WHERE p.database = current_database()
), oldest AS (
    SELECT * FROM held ORDER BY xids DESC, age_s DESC NULLS LAST LIMIT 1
)
SELECT
    pg_stat_get_dead_tuples(%(table_oid)s)::bigint AS dead_tuples,
    pg_snapshot_xmax(pg_current_snapshot())::text::bigint AS next_xid,
    (SELECT xids FROM oldest) AS oldest_xids,
    (SELECT age_s FROM oldest) AS oldest_snapshot_s,
    (SELECT holder FROM oldest) AS oldest_snapshot,
    (
        SELECT v.relid::regclass::text
        FROM pg_stat_progress_vacuum v
        JOIN pg_stat_activity a USING (pid)
        WHERE v.datname = current_database() AND v.relid = %(table_oid)s
          AND a.query LIKE 'autovacuum:%% (to prevent wraparound)'
    ) AS vacuum
