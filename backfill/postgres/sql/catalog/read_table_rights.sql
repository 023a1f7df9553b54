-- What a job needs of its database, and of its table and the tables that hold its rows: SELECT, UPDATE of the columns
-- that it sets, and to vacuum them if `vacuum` says so; there is no right for that alone before 17. Of a partitioned
-- table below the job's own it needs nothing.
WITH RECURSIVE tree AS (
    SELECT to_regclass(%(table)s)::oid AS oid, true AS is_root
    UNION
    SELECT i.inhrelid, false FROM pg_inherits i JOIN tree t ON t.oid = i.inhparent WHERE NOT i.inhdetachpending
), tables AS (
    SELECT c.*, format('%%s.%%I', c.relnamespace::regnamespace, c.relname) AS target
    FROM tree t JOIN pg_class c USING (oid)
    WHERE c.relkind = 'r' OR t.is_root
)
SELECT 'database' AS kind, quote_ident(d.datname) AS target, d.datname::text AS name, 'CONNECT' AS privilege,
    has_database_privilege('public', d.oid, 'CONNECT') AS for_all, has_database_privilege(d.oid, 'CONNECT') AS had
FROM pg_database d WHERE d.datname = current_database()
UNION ALL
SELECT DISTINCT 'schema', quote_ident(n.nspname), n.nspname::text, 'USAGE',
    has_schema_privilege('public', n.oid, 'USAGE'), has_schema_privilege(n.oid, 'USAGE')
FROM tables t JOIN pg_namespace n ON n.oid = t.relnamespace
UNION ALL
SELECT 'relation', t.target, t.relname::text, privilege, false, false
FROM tables t
CROSS JOIN LATERAL unnest(ARRAY[
    'SELECT',
    format('UPDATE (%%s)', (
        SELECT string_agg(quote_ident(c.name), ', ' ORDER BY c.place)
        FROM unnest(%(columns)s::text[]) WITH ORDINALITY AS c (name, place)
    )),
    CASE WHEN %(vacuum)s AND t.relkind = 'r' AND current_setting('server_version_num')::int >= 170000 THEN 'MAINTAIN' END
]) AS privilege
WHERE privilege IS NOT NULL
UNION ALL
SELECT 'parameter', 'wal_compression', 'wal_compression', 'SET', false, false
WHERE %(compression)s AND current_setting('server_version_num')::int >= 150000
