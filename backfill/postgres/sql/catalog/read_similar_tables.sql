-- Tables that the name in the job file may have meant.
SELECT n.nspname, c.relname
FROM pg_class c
JOIN pg_namespace n ON n.oid = c.relnamespace
WHERE c.relkind::text = ANY (%(kinds)s) AND n.nspname NOT IN ('pg_catalog', 'information_schema', 'backfill')
  AND n.nspname NOT LIKE 'pg\_toast%%' AND n.nspname NOT LIKE 'pg\_temp%%'
ORDER BY c.relname = %(name)s DESC, n.nspname, c.relname
LIMIT 1000
