-- What keeps the table healthy: its dead tuples, the oldest snapshot that holds their removal back, its vacuums.
-- A snapshot is known by its xmin; where that of a standby (hot_standby_feedback) or a prepared transaction is older
-- than any here, its age does not come from the server, but from how many transactions began since.
WITH held AS (
    SELECT age(a.backend_xmin) AS xids, extract(epoch FROM clock_timestamp() - a.xact_start)::float8 AS age_s,
        coalesce(nullif(a.application_name, ''), a.backend_type) || ' pid ' || a.pid AS holder
    FROM pg_stat_activity a
    WHERE a.datname = current_database() AND a.backend_xmin IS NOT NULL AND a.pid <> pg_backend_pid()
      AND a.application_name IS DISTINCT FROM current_setting('application_name')
      -- A vacuum has a snapshot that holds nothing back.
      AND NOT EXISTS (SELECT FROM pg_stat_progress_vacuum v WHERE v.pid = a.pid)
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
    pg_stat_get_dead_tuples(c.oid)::bigint AS dead_tuples,
    -- The planner's estimate; the count may be double after a load, and is for tables that were never analysed.
    CASE WHEN c.reltuples > 0 THEN c.reltuples ELSE pg_stat_get_live_tuples(c.oid) END::bigint AS live_tuples,
    pg_relation_size(c.oid) AS heap_bytes,
    pg_indexes_size(c.oid) AS index_bytes,
    pg_snapshot_xmax(pg_current_snapshot())::text::bigint AS next_xid,
    (SELECT xids FROM oldest) AS oldest_xids,
    (SELECT age_s FROM oldest) AS oldest_snapshot_s,
    (SELECT holder FROM oldest) AS oldest_snapshot,
    (
        SELECT v.relid::regclass::text
        FROM pg_stat_progress_vacuum v
        JOIN pg_stat_activity a USING (pid)
        WHERE v.datname = current_database() AND v.relid = c.oid
          AND a.query LIKE 'autovacuum:%% (to prevent wraparound)'
    ) AS vacuum,
    (
        SELECT max(a.backend_type || ' (pid ' || v.pid || ')')
        FROM pg_stat_progress_vacuum v
        JOIN pg_stat_activity a USING (pid)
        WHERE v.datname = current_database() AND v.relid = c.oid AND v.pid <> %(vacuum_pid)s
    ) AS vacuumed_by,
    (pg_stat_get_vacuum_count(c.oid) + pg_stat_get_autovacuum_count(c.oid))::bigint AS vacuums,
    CASE
        WHEN pg_has_role(c.relowner, 'USAGE')
          OR (SELECT pg_has_role(d.datdba, 'USAGE') FROM pg_database d WHERE d.datname = current_database()) THEN NULL
        WHEN current_setting('server_version_num')::int < 170000
            THEN ''  -- only membership in an owner gives it, and that gives all that the owner may do
        WHEN NOT has_table_privilege(c.oid, 'MAINTAIN')
            THEN format('GRANT MAINTAIN ON %%I.%%I TO %%I;', n.nspname, c.relname, current_user)
    END AS vacuum_needs,
    (SELECT pg_wal_lsn_diff(redo_lsn, '0/0')::bigint FROM pg_control_checkpoint()) AS redo_lsn
FROM pg_class c
JOIN pg_namespace n ON n.oid = c.relnamespace
WHERE c.oid = %(table_oid)s
