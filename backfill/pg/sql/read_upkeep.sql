-- What keeps the table healthy: its dead tuples, the oldest snapshot that holds their removal back, an urgent vacuum.
SELECT
    pg_stat_get_dead_tuples(%(table_oid)s)::bigint AS dead_tuples,
    (
        SELECT max(extract(epoch FROM clock_timestamp() - a.xact_start))::float8
        FROM pg_stat_activity a
        WHERE a.datname = current_database() AND a.backend_xmin IS NOT NULL AND a.pid <> pg_backend_pid()
    ) AS oldest_snapshot_s,
    (
        SELECT v.relid::regclass::text
        FROM pg_stat_progress_vacuum v
        JOIN pg_stat_activity a USING (pid)
        WHERE v.datname = current_database() AND v.relid = %(table_oid)s
          AND a.query LIKE 'autovacuum:%% (to prevent wraparound)'
    ) AS vacuum
