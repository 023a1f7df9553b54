-- What a trigger on a table and on whatever holds its rows meets: their owners, columns that must have a value or are
-- generated, and row triggers BEFORE INSERT or UPDATE, among them the one whose function is given.
WITH RECURSIVE tree AS (
    SELECT c.oid, true AS is_root
    FROM pg_class c JOIN pg_namespace n ON n.oid = c.relnamespace
    WHERE n.nspname = %(schema)s AND c.relname = %(name)s
    UNION
    SELECT i.inhrelid, false
    FROM pg_inherits i JOIN tree t ON t.oid = i.inhparent
    WHERE NOT i.inhdetachpending
)
SELECT
    n.nspname AS schema,
    c.relname AS name,
    c.relispartition AND NOT tree.is_root AS is_partition,
    pg_get_userbyid(c.relowner) AS owner,
    pg_has_role(c.relowner, 'USAGE') AS is_owned,
    ARRAY(
        SELECT a.attname::text FROM pg_attribute a
        WHERE a.attrelid = c.oid AND a.attname = ANY (%(columns)s) AND (a.attnotnull OR EXISTS (
            SELECT FROM pg_constraint k
            WHERE k.conrelid = c.oid AND k.contype = 'c'
              AND pg_get_expr(k.conbin, k.conrelid) = format('(%%I IS NOT NULL)', a.attname)
        ))
    ) AS not_null,
    ARRAY(
        SELECT a.attname::text FROM pg_attribute a
        WHERE a.attrelid = c.oid AND a.attnum > 0 AND NOT a.attisdropped AND a.attgenerated <> ''
    ) AS generated,
    (
        SELECT coalesce(jsonb_agg(jsonb_build_object(
            'name', t.tgname,
            'ours', p.pronamespace = to_regnamespace('backfill') AND p.proname = %(function)s,
            'always', t.tgenabled = 'A',
            'cloned', t.tgparentid <> 0,
            'conditional', t.tgqual IS NOT NULL
        ) ORDER BY t.tgname), '[]')
        FROM pg_trigger t JOIN pg_proc p ON p.oid = t.tgfoid
        WHERE t.tgrelid = c.oid AND t.tgtype & 3 = 3 AND t.tgtype & 20 <> 0 AND t.tgenabled <> 'D'
    ) AS triggers
FROM tree
JOIN pg_class c ON c.oid = tree.oid
JOIN pg_namespace n ON n.oid = c.relnamespace
WHERE c.relpersistence <> 't' OR tree.is_root
ORDER BY tree.is_root DESC, n.nspname, c.relname
