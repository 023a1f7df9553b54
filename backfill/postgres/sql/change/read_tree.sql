-- A table with its partitions and children: who owns each, its pages, and whether this role may change it.
WITH RECURSIVE tree AS (
    SELECT c.oid, 0 AS depth
    FROM pg_catalog.pg_class c JOIN pg_catalog.pg_namespace n ON n.oid = c.relnamespace
    WHERE n.nspname = %(schema)s AND c.relname = %(name)s
    UNION
    SELECT i.inhrelid, t.depth + 1
    FROM pg_catalog.pg_inherits i JOIN tree t ON t.oid = i.inhparent
    WHERE NOT i.inhdetachpending
)
SELECT
    c.oid::bigint AS oid,
    n.nspname::text AS schema,
    c.relname::text AS name,
    c.relkind AS kind,
    t.depth,
    o.rolname::text AS owner,
    o.rolsuper AS owner_is_superuser,
    pg_catalog.pg_has_role(c.relowner, 'USAGE') AS may_alter,
    has_schema_privilege(c.relnamespace, 'CREATE') AS may_create,
    current_user::text AS role,
    CASE WHEN c.relkind = 'r' THEN
        coalesce(pg_catalog.pg_relation_size(c.oid), 0) / current_setting('block_size')::bigint ELSE 0
    END AS pages,
    ARRAY(
        SELECT a.attname::text FROM pg_catalog.pg_attribute a
        WHERE a.attrelid = c.oid AND a.attnum > 0 AND NOT a.attisdropped
        ORDER BY a.attnum
    ) AS columns,
    ARRAY(
        SELECT a.attname::text
        FROM pg_catalog.pg_attribute a JOIN pg_catalog.pg_type y ON y.oid = a.atttypid
        LEFT JOIN pg_catalog.pg_type b ON b.oid = y.typbasetype
        WHERE a.attrelid = c.oid AND a.attnum > 0 AND NOT a.attisdropped AND 'c' IN (y.typtype, b.typtype)
    ) AS composite_columns,
    ARRAY(
        SELECT a.attname::text
        FROM pg_catalog.pg_index i
        CROSS JOIN unnest(i.indkey::smallint[]) WITH ORDINALITY AS u (number, place)
        JOIN pg_catalog.pg_attribute a ON a.attrelid = c.oid AND a.attnum = u.number
        WHERE i.indrelid = c.oid AND i.indisprimary AND u.place <= i.indnkeyatts
        ORDER BY u.place
    ) AS key,
    ARRAY(
        SELECT a.attname::text
        FROM pg_catalog.pg_partitioned_table k
        CROSS JOIN unnest(k.partattrs::smallint[]) AS u (number)
        JOIN pg_catalog.pg_attribute a ON a.attrelid = c.oid AND a.attnum = u.number
        WHERE k.partrelid = c.oid
    ) AS partitioned_by
FROM tree t
JOIN pg_catalog.pg_class c ON c.oid = t.oid
JOIN pg_catalog.pg_namespace n ON n.oid = c.relnamespace
JOIN pg_catalog.pg_roles o ON o.oid = c.relowner
ORDER BY t.depth, n.nspname, c.relname
