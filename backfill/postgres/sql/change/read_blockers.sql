-- Whom a session waits for at this moment: the holders of the lock that it wants, and those who wait before it. If it waits
-- for the end of a transaction and not for a table, as CREATE INDEX CONCURRENTLY does, there is no relation.
WITH wanted AS (
    SELECT w.locktype, w.relation, w.virtualxid
    FROM pg_catalog.pg_locks w
    WHERE w.pid = %(pid)s AND NOT w.granted
), blocking AS (
    SELECT DISTINCT nullif(b.pid, 0) AS pid FROM unnest(pg_catalog.pg_blocking_pids(%(pid)s)) AS b (pid)
)
SELECT DISTINCT ON (b.pid, l.virtualtransaction)
    b.pid,
    p.gid,
    l.virtualtransaction AS transaction,
    coalesce(nullif(a.application_name, ''), a.backend_type) AS application_name,
    coalesce(a.usename, p.owner)::text AS role,
    a.state,
    extract(epoch FROM clock_timestamp() - a.state_change)::float8 AS state_s,
    extract(epoch FROM clock_timestamp() - coalesce(a.xact_start, p.prepared))::float8 AS transaction_s,
    l.mode,
    CASE WHEN w.locktype = 'relation' THEN l.relation::pg_catalog.regclass::text END AS relation,
    l.granted
FROM blocking b
CROSS JOIN wanted w
JOIN pg_catalog.pg_locks l ON l.pid IS NOT DISTINCT FROM b.pid AND l.locktype = w.locktype
    AND l.relation IS NOT DISTINCT FROM w.relation AND l.virtualxid IS NOT DISTINCT FROM w.virtualxid
LEFT JOIN pg_catalog.pg_stat_activity a ON a.pid = b.pid
LEFT JOIN pg_catalog.pg_locks x ON b.pid IS NULL AND x.pid IS NULL AND x.locktype = 'transactionid'
    AND x.virtualtransaction = l.virtualtransaction
LEFT JOIN pg_catalog.pg_prepared_xacts p ON p.transaction = x.transactionid
ORDER BY b.pid, l.virtualtransaction, l.granted DESC
