-- Who we are, where, and what this role may see and do.
SELECT
    current_user AS role,
    current_database() AS database,
    current_setting('server_version_num')::int AS version,
    current_setting('block_size')::int AS page_bytes,
    pg_is_in_recovery() AS in_recovery,
    pg_has_role('pg_read_all_stats', 'USAGE')
        AND has_function_privilege('pg_ls_archive_statusdir()', 'EXECUTE') AS visible,
    to_regprocedure('pg_catalog.aurora_replica_status()') IS NOT NULL AS aurora,
    pg_size_bytes(current_setting('max_wal_size'))
        / (1 + current_setting('checkpoint_completion_target')::float8) AS checkpoint_bytes,
    extract(epoch FROM current_setting('checkpoint_timeout')::interval)::float8 AS checkpoint_s,
    current_setting('wal_compression') AS wal_compression,
    coalesce((SELECT enumvals FROM pg_settings WHERE name = 'wal_compression'), '{}') AS wal_compressions
