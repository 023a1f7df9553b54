-- Who we are, where, and what this role may see and do.
SELECT
    current_user AS role,
    current_database() AS database,
    current_setting('server_version_num')::int AS version,
    current_setting('block_size')::int AS page_bytes,
    pg_is_in_recovery() AS in_recovery,
    pg_has_role('pg_read_all_stats', 'USAGE')
        AND has_function_privilege('pg_ls_archive_statusdir()', 'EXECUTE') AS visible,
    to_regprocedure('aurora_replica_status()') IS NOT NULL AS aurora,
    s.oid IS NOT NULL AS has_state,
    EXISTS (
        SELECT FROM pg_class c WHERE c.relnamespace = s.oid AND c.relname = 'rejected'
    ) AS state_current,
    coalesce(
        has_schema_privilege(s.oid, 'USAGE') AND (
            -- One of an older version has no `rejected`: it is told so, and not that a right is missing.
            SELECT count(DISTINCT c.oid) >= 4 AND bool_and(has_table_privilege(c.oid, p.privilege))
            FROM pg_class c, unnest(ARRAY['SELECT', 'INSERT', 'UPDATE', 'DELETE']) AS p (privilege)
            WHERE c.relnamespace = s.oid AND c.relname IN ('job', 'scan', 'batch', 'event', 'rejected')
        ), false
    ) AS may_use_state,
    has_database_privilege(current_database(), 'CREATE') AS may_create,
    pg_size_bytes(current_setting('max_wal_size'))
        / (1 + current_setting('checkpoint_completion_target')::float8) AS checkpoint_bytes,
    extract(epoch FROM current_setting('checkpoint_timeout')::interval)::float8 AS checkpoint_s,
    current_setting('wal_compression') AS wal_compression,
    coalesce((SELECT enumvals FROM pg_settings WHERE name = 'wal_compression'), '{}') AS wal_compressions
FROM (SELECT (SELECT oid FROM pg_namespace WHERE nspname = 'backfill') AS oid) s
