-- Settings and state of the server that bear on a run: autovacuum, the age of this database, slots that nobody reads,
-- replicas without a slot, a standby that commits wait for in vain, and prepared transactions of this database.
WITH RECURSIVE tree AS (
    SELECT c.oid
    FROM pg_class c JOIN pg_namespace n ON n.oid = c.relnamespace
    WHERE n.nspname = %(schema)s AND c.relname = %(name)s
    UNION
    SELECT i.inhrelid FROM pg_inherits i JOIN tree t ON t.oid = i.inhparent
)
SELECT
    current_setting('server_version_num')::int AS version,
    current_setting('autovacuum')::boolean AS autovacuum,
    current_setting('track_counts')::boolean AS track_counts,
    current_setting('autovacuum_freeze_max_age')::bigint AS freeze_max_age,
    (SELECT age(d.datfrozenxid) FROM pg_database d WHERE d.datname = current_database()) AS database_age,
    pg_size_bytes(current_setting('max_wal_size')) AS max_wal_bytes,
    pg_size_bytes(current_setting('wal_keep_size')) AS wal_keep_bytes,
    extract(epoch FROM current_setting('checkpoint_timeout')::interval)::float8 AS checkpoint_s,
    (
        SELECT coalesce(jsonb_agg(jsonb_build_object(
            'name', l.slot_name,
            'wal_status', l.wal_status,
            'retained_bytes', pg_wal_lsn_diff(pg_current_wal_insert_lsn(), l.restart_lsn)::bigint,
            'safe_bytes', l.safe_wal_size
        ) ORDER BY l.slot_name), '[]')
        FROM pg_replication_slots l
        WHERE NOT l.active AND NOT l.temporary
    ) AS slots_inactive,
    ARRAY(
        SELECT r.application_name FROM pg_stat_replication r
        WHERE r.state = 'streaming' AND NOT EXISTS (SELECT FROM pg_replication_slots l WHERE l.active_pid = r.pid)
        ORDER BY 1
    ) AS unslotted,
    current_setting('synchronous_standby_names') <> ''
        AND NOT EXISTS (SELECT FROM pg_stat_replication r WHERE r.sync_state IN ('sync', 'quorum'))
        AS synchronous_missing,
    (
        SELECT coalesce(jsonb_agg(jsonb_build_object(
            'gid', p.gid,
            'age_s', extract(epoch FROM clock_timestamp() - p.prepared)::float8,
            'owner', p.owner,
            'blocks', EXISTS (
                SELECT FROM pg_locks l
                WHERE l.pid IS NULL AND l.granted AND l.locktype = 'relation' AND l.relation IN (SELECT oid FROM tree)
                  AND l.virtualtransaction IN (SELECT x.virtualtransaction FROM pg_locks x
                      WHERE x.pid IS NULL AND x.locktype = 'transactionid' AND x.transactionid = p.transaction)
                  AND l.mode IN ('ShareLock', 'ShareRowExclusiveLock', 'ExclusiveLock', 'AccessExclusiveLock')
            )
        ) ORDER BY p.prepared, p.gid), '[]')
        FROM pg_prepared_xacts p
        WHERE p.database = current_database()
    ) AS prepared
