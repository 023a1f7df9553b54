-- The sessions and prepared transactions that hold, or wait for, the lock of a table that even a read has to wait for.
SELECT
    l.pid,
    l.virtualtransaction AS transaction,
    l.mode,
    l.relation::pg_catalog.regclass::text AS relation,
    coalesce(nullif(a.application_name, ''), 'unknown') AS application_name,
    coalesce(a.usename, p.owner, 'unknown') AS role,
    p.gid
FROM pg_catalog.pg_locks l
LEFT JOIN pg_catalog.pg_stat_activity a ON a.pid = l.pid
LEFT JOIN pg_catalog.pg_locks own ON l.pid IS NULL AND own.pid IS NULL AND own.locktype = 'transactionid'
    AND own.virtualtransaction = l.virtualtransaction
LEFT JOIN pg_catalog.pg_prepared_xacts p ON p.transaction = own.transactionid
WHERE l.locktype = 'relation' AND l.mode = 'AccessExclusiveLock' AND l.relation = %(table_oid)s
  AND l.database = (SELECT d.oid FROM pg_catalog.pg_database d WHERE d.datname = pg_catalog.current_database())
  AND (l.pid IS NOT NULL OR p.gid IS NOT NULL)
ORDER BY l.granted DESC, l.pid
