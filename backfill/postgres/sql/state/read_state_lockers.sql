-- Other sessions that hold a lock on a table of the state schema, or migrate it, the oldest transaction first.
SELECT
    a.pid,
    coalesce(nullif(a.application_name, ''), 'unknown') AS application_name,
    coalesce(a.usename::text, 'unknown') AS role,
    coalesce(to_char(a.xact_start, 'YYYY-MM-DD HH24:MI:SSOF'), 'unknown') AS since
FROM pg_catalog.pg_stat_activity a
WHERE a.pid <> pg_backend_pid()
  AND a.pid IN (
      SELECT l.pid
      FROM pg_catalog.pg_locks l
      LEFT JOIN pg_catalog.pg_class c ON l.locktype = 'relation' AND c.oid = l.relation
      WHERE l.granted AND l.database = (SELECT d.oid FROM pg_catalog.pg_database d WHERE d.datname = current_database())
        AND (
            c.relnamespace = to_regnamespace('backfill')
            OR (l.locktype = 'advisory' AND l.objsubid = 1 AND (l.classid::bigint << 32) | l.objid::bigint = %(key)s)
        )
  )
ORDER BY a.xact_start NULLS LAST
LIMIT 1
