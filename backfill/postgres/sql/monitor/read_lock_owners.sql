-- The sessions that hold, or wait for, the lock of a table that even a read has to wait for.
SELECT
    l.pid,
    l.virtualtransaction AS transaction,
    l.mode,
    l.relation::pg_catalog.regclass::text AS relation,
    coalesce(nullif(a.application_name, ''), 'unknown') AS application_name,
    coalesce(a.usename, 'unknown') AS role
FROM pg_catalog.pg_locks l
LEFT JOIN pg_catalog.pg_stat_activity a ON a.pid = l.pid
WHERE l.locktype = 'relation' AND l.mode = 'AccessExclusiveLock' AND l.relation = %(table_oid)s
  AND l.database = (SELECT d.oid FROM pg_catalog.pg_database d WHERE d.datname = pg_catalog.current_database())
ORDER BY l.granted DESC, l.pid
