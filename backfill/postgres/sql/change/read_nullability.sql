-- How far a column is from NOT NULL, on a table and on each of its partitions and children: what the column says, its NOT
-- NULL constraint (which has a row of its own from 18 on), and CHECKs that say the same.
WITH RECURSIVE tree AS (
    SELECT c.oid, 0 AS depth
    FROM pg_catalog.pg_class c JOIN pg_catalog.pg_namespace n ON n.oid = c.relnamespace
    WHERE n.nspname = %(schema)s AND c.relname = %(name)s
    UNION ALL
    SELECT i.inhrelid, t.depth + 1 FROM pg_catalog.pg_inherits i JOIN tree t ON t.oid = i.inhparent
)
SELECT
    n.nspname::text AS schema,
    c.relname::text AS name,
    t.depth,
    a.attnotnull AS not_null,
    k.conname::text AS "constraint",
    coalesce(k.convalidated, false) AS constraint_valid,
    (
        SELECT x.convalidated FROM pg_catalog.pg_constraint x
        WHERE x.conrelid = c.oid AND x.contype = 'c' AND x.conname = %(constraint)s
    ) AS "check",
    EXISTS (
        SELECT FROM pg_catalog.pg_constraint x
        WHERE x.conrelid = c.oid AND x.contype = 'c' AND x.convalidated
          AND pg_catalog.pg_get_constraintdef(x.oid) = format('CHECK ((%%I IS NOT NULL))', a.attname)
    ) AS implied,
    (
        SELECT pg_catalog.pg_get_constraintdef(x.oid) FROM pg_catalog.pg_constraint x
        WHERE x.conrelid = c.oid AND x.conname = %(constraint)s
          AND NOT (x.contype = 'n' AND x.conkey = ARRAY[a.attnum])
          AND replace(pg_catalog.pg_get_constraintdef(x.oid), ' NOT VALID', '')
            <> format('CHECK ((%%I IS NOT NULL))', a.attname)
    ) AS taken_by
FROM tree t
JOIN pg_catalog.pg_class c ON c.oid = t.oid
JOIN pg_catalog.pg_namespace n ON n.oid = c.relnamespace
JOIN pg_catalog.pg_attribute a ON a.attrelid = c.oid AND a.attname = %(column)s AND NOT a.attisdropped
LEFT JOIN pg_catalog.pg_constraint k ON k.conrelid = c.oid AND k.contype = 'n' AND k.conkey = ARRAY[a.attnum]
ORDER BY t.depth, n.nspname, c.relname
