-- Who holds a lock on a table, its partitions or its children that conflicts with one that we need, the oldest first. A
-- prepared transaction has no process; it is known by the lock on its transaction's number.
WITH RECURSIVE tree AS (
    SELECT c.oid
    FROM pg_catalog.pg_class c JOIN pg_catalog.pg_namespace n ON n.oid = c.relnamespace
    WHERE n.nspname = %(schema)s AND c.relname = %(name)s
    UNION
    SELECT i.inhrelid FROM pg_catalog.pg_inherits i JOIN tree t ON t.oid = i.inhparent
)
SELECT
    l.pid,
    p.gid,
    l.virtualtransaction AS transaction,
    coalesce(nullif(a.application_name, ''), a.backend_type) AS application_name,
    coalesce(a.usename, p.owner)::text AS role,
    a.state,
    extract(epoch FROM clock_timestamp() - a.state_change)::float8 AS state_s,
    extract(epoch FROM clock_timestamp() - coalesce(a.xact_start, p.prepared))::float8 AS transaction_s,
    l.mode,
    l.relation::pg_catalog.regclass::text AS relation,
    l.granted
FROM pg_catalog.pg_locks l
JOIN tree t ON t.oid = l.relation
LEFT JOIN pg_catalog.pg_stat_activity a ON a.pid = l.pid
LEFT JOIN pg_catalog.pg_locks x ON l.pid IS NULL AND x.pid IS NULL AND x.locktype = 'transactionid'
    AND x.virtualtransaction = l.virtualtransaction
LEFT JOIN pg_catalog.pg_prepared_xacts p ON p.transaction = x.transactionid
WHERE l.locktype = 'relation' AND l.granted AND l.mode = ANY (%(modes)s::text[])
  AND l.database = (SELECT d.oid FROM pg_catalog.pg_database d WHERE d.datname = current_database())
  AND l.pid IS DISTINCT FROM %(pid)s
ORDER BY transaction_s DESC NULLS LAST, l.pid, l.relation
