-- Others that hold a lock on a table of the state schema, or migrate it, the oldest transaction first. One that was
-- prepared has no session.
SELECT
    l.pid,
    coalesce(nullif(a.application_name, ''), 'unknown') AS application_name,
    coalesce(a.usename::text, p.owner::text, 'unknown') AS role,
    coalesce(to_char(coalesce(a.xact_start, p.prepared), 'YYYY-MM-DD HH24:MI:SSOF'), 'unknown') AS since,
    p.gid
FROM pg_catalog.pg_locks l
LEFT JOIN pg_catalog.pg_class c ON l.locktype = 'relation' AND c.oid = l.relation
LEFT JOIN pg_catalog.pg_stat_activity a ON a.pid = l.pid
LEFT JOIN pg_catalog.pg_locks own ON l.pid IS NULL AND own.pid IS NULL AND own.locktype = 'transactionid'
    AND own.virtualtransaction = l.virtualtransaction
LEFT JOIN pg_catalog.pg_prepared_xacts p ON p.transaction = own.transactionid
WHERE l.granted AND l.pid IS DISTINCT FROM pg_backend_pid() AND (a.pid IS NOT NULL OR p.gid IS NOT NULL)
  AND l.database = (SELECT d.oid FROM pg_catalog.pg_database d WHERE d.datname = pg_catalog.current_database())
  AND (
      c.relnamespace = to_regnamespace('backfill')
      OR (l.locktype = 'advisory' AND l.objsubid = 1 AND (l.classid::bigint << 32) | l.objid::bigint = %(key)s)
  )
ORDER BY coalesce(a.xact_start, p.prepared) NULLS LAST
LIMIT 1
