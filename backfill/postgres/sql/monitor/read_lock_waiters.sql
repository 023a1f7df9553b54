-- The sessions that wait for a lock which this session holds on a table. No right is needed to see them. A session that
-- waits for the end of our snapshot, as CREATE INDEX CONCURRENTLY does, keeps nobody else waiting, and is left out.
SELECT
    l.pid,
    l.virtualtransaction AS transaction,
    l.mode,
    l.relation,
    coalesce(nullif(a.application_name, ''), 'unknown') AS application_name,
    coalesce(a.usename, 'unknown') AS role
FROM (
    SELECT DISTINCT ON (w.pid) w.pid, w.virtualtransaction, w.mode, w.relation::pg_catalog.regclass::text AS relation
    FROM pg_catalog.pg_locks w
    WHERE NOT w.granted AND w.locktype = 'relation'
) l
LEFT JOIN pg_catalog.pg_stat_activity a ON a.pid = l.pid
WHERE %(pid)s = ANY (pg_catalog.pg_blocking_pids(l.pid))
ORDER BY l.pid
