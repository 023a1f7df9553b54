-- The tables that hold the rows of a table: itself, its partitions, what inherits from it; with their sizes, what this
-- role may do to them, and which of the columns that are set a partition key has. Temporary children belong to other
-- sessions, and the server leaves them out of an UPDATE, too.
WITH RECURSIVE tree AS (
    SELECT c.oid
    FROM pg_class c JOIN pg_namespace n ON n.oid = c.relnamespace
    WHERE n.nspname = %(schema)s AND c.relname = %(name)s
    UNION
    SELECT i.inhrelid FROM pg_inherits i JOIN tree t ON t.oid = i.inhparent WHERE NOT i.inhdetachpending
)
SELECT
    n.nspname AS schema,
    c.relname AS name,
    n.nspname = %(schema)s AND c.relname = %(name)s AS is_root,
    c.oid::bigint AS oid,
    c.relkind AS kind,
    c.relpersistence AS persistence,
    coalesce(am.amname, '') AS access_method,
    coalesce(pg_relation_filenode(c.oid), 0)::bigint AS filenode,
    (SELECT system_identifier FROM pg_control_system()) AS system_identifier,
    CASE WHEN c.relkind = 'r' THEN
        coalesce(pg_relation_size(c.oid), 0) / current_setting('block_size')::bigint ELSE 0
    END AS pages,
    greatest(c.reltuples, 0)::bigint AS rows_estimated,
    c.relnamespace IN ('pg_catalog'::regnamespace, 'information_schema'::regnamespace) AS is_system,
    has_schema_privilege(c.relnamespace, 'USAGE') AS may_use_schema,
    has_table_privilege(c.oid, 'SELECT') AS may_select,
    CASE WHEN c.relkind IN ('r', 'p') THEN row_security_active(c.oid) ELSE false END AS rows_hidden,
    ARRAY(
        SELECT a.attname::text FROM pg_attribute a
        WHERE a.attrelid = c.oid AND a.attname = ANY (%(columns)s) AND NOT has_column_privilege(c.oid, a.attnum, 'UPDATE')
    ) AS not_updatable,
    ARRAY(  -- a column of the key depends on the whole table, also when the key has it in an expression
        SELECT a.attname::text
        FROM pg_depend d JOIN pg_attribute a ON a.attrelid = d.objid AND a.attnum = d.objsubid
        WHERE c.relkind = 'p' AND d.classid = 'pg_class'::regclass AND d.objid = c.oid AND d.deptype = 'i'
          AND d.refclassid = 'pg_class'::regclass AND d.refobjid = c.oid AND d.refobjsubid = 0
          AND a.attname = ANY (%(columns)s)
    ) AS partitioned_by,
    c.relhasrules OR EXISTS (
        SELECT FROM pg_attribute a
        WHERE a.attrelid = c.oid AND a.attnum > 0 AND NOT a.attisdropped
          AND (a.attinhcount = 0 OR a.attname = ANY (%(columns)s) AND (a.attidentity = 'a' OR a.attgenerated <> ''))
    ) AS differs
FROM tree
JOIN pg_class c ON c.oid = tree.oid
JOIN pg_namespace n ON n.oid = c.relnamespace
LEFT JOIN pg_am am ON am.oid = c.relam
WHERE c.relpersistence <> 't' OR (n.nspname = %(schema)s AND c.relname = %(name)s)
ORDER BY is_root DESC, n.nspname, c.relname
