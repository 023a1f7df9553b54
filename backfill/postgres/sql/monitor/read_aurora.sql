-- Aurora's readers: they share the writer's storage, replay no WAL of their own and are not in pg_stat_replication. A
-- function of this name anywhere else is not Aurora's, and is not called: whoever made it would have our rights.
SELECT
    server_id AS name,
    'aurora' AS state,
    replica_lag_in_msec::float8 / 1000 AS lag_s
FROM pg_catalog.aurora_replica_status()
-- The writer has a row, too; that of a reader which is gone stays for a while.
WHERE session_id <> 'MASTER_SESSION_ID'
  AND (last_update_timestamp IS NULL OR last_update_timestamp > clock_timestamp() - interval '30 s')
ORDER BY server_id
