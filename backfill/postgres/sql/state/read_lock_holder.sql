-- The session that holds one of our advisory locks, as far as this role may see it. Anybody can take such a lock and call
-- himself a worker; but a worker's role may write the state, and no session can choose its role's name.
SELECT
    l.pid,
    coalesce(nullif(a.application_name, ''), 'unknown') AS application_name,
    coalesce(a.usename, p.owner, 'unknown') AS role,
    coalesce((
        SELECT has_table_privilege(a.usesysid, c.oid, 'UPDATE')
        FROM pg_class c JOIN pg_namespace n ON n.oid = c.relnamespace
        WHERE n.nspname = 'backfill' AND c.relname = 'job'
    ), false) AS may_write,
    coalesce(host(a.client_addr), 'local') AS client,
    coalesce(to_char(a.backend_start, 'YYYY-MM-DD HH24:MI:SSOF'), 'unknown') AS since,
    p.gid
FROM pg_locks l
LEFT JOIN pg_stat_activity a ON a.pid = l.pid
LEFT JOIN pg_locks own ON l.pid IS NULL AND own.pid IS NULL AND own.locktype = 'transactionid'
    AND own.virtualtransaction = l.virtualtransaction
LEFT JOIN pg_prepared_xacts p ON p.transaction = own.transactionid
WHERE l.locktype = 'advisory' AND l.granted AND l.objsubid = 1
  AND l.database = (SELECT oid FROM pg_database WHERE datname = current_database())
  AND (l.classid::bigint << 32) | l.objid::bigint = %(key)s
  AND (l.pid IS NOT NULL OR p.gid IS NOT NULL)
