-- What may refuse a row for the value of one of these columns, on a table and on whatever holds its rows. NOT NULL, also as
-- a CHECK, is left out: the trigger gives no NULL to such a column.
WITH RECURSIVE tree AS (
    SELECT c.oid
    FROM pg_class c JOIN pg_namespace n ON n.oid = c.relnamespace
    WHERE n.nspname = %(schema)s AND c.relname = %(name)s
    UNION
    SELECT i.inhrelid FROM pg_inherits i JOIN tree t ON t.oid = i.inhparent WHERE NOT i.inhdetachpending
),
target AS (
    SELECT t.oid, a.attnum, a.attname
    FROM tree t JOIN pg_attribute a ON a.attrelid = t.oid
    WHERE a.attname = ANY (%(columns)s) AND NOT a.attisdropped
)
SELECT DISTINCT f.what, t.oid::regclass::text AS "table", t.attname AS column
FROM target t
JOIN LATERAL (
    SELECT format('constraint %%L', k.conname) AS what
    FROM pg_constraint k
    WHERE k.contype <> 'n'
      AND NOT (k.contype = 'c' AND pg_get_expr(k.conbin, k.conrelid) = format('(%%I IS NOT NULL)', t.attname))
      AND (
          k.conrelid = t.oid AND t.attnum = ANY (k.conkey) OR k.confrelid = t.oid AND t.attnum = ANY (k.confkey)
      )
    UNION ALL
    SELECT format('index %%L', x.relname)
    FROM pg_index i JOIN pg_class x ON x.oid = i.indexrelid
    WHERE i.indrelid = t.oid
      AND NOT EXISTS (SELECT FROM pg_constraint k WHERE k.conindid = i.indexrelid AND k.contype IN ('p', 'u', 'x'))
      AND (i.indisunique OR i.indexprs IS NOT NULL OR i.indpred IS NOT NULL)
      AND (t.attnum = ANY (i.indkey::int2[]) OR EXISTS (
          SELECT FROM pg_depend d
          WHERE d.classid = 'pg_class'::regclass AND d.objid = i.indexrelid
            AND d.refclassid = 'pg_class'::regclass AND d.refobjid = t.oid AND d.refobjsubid = t.attnum
      ))
    UNION ALL
    SELECT format('generated column %%L', a.attname)
    FROM pg_attrdef ad
    JOIN pg_attribute a ON a.attrelid = ad.adrelid AND a.attnum = ad.adnum AND a.attgenerated <> ''
    JOIN pg_depend d ON d.refclassid = 'pg_class'::regclass AND d.refobjid = t.oid AND d.refobjsubid = t.attnum
        AND (
            d.classid = 'pg_attrdef'::regclass AND d.objid = ad.oid
            OR d.classid = 'pg_class'::regclass AND d.objid = t.oid AND d.objsubid = ad.adnum
        )
    WHERE ad.adrelid = t.oid
    UNION ALL
    SELECT format('policy %%L', p.polname)
    FROM pg_policy p
    JOIN pg_depend d ON d.classid = 'pg_policy'::regclass AND d.objid = p.oid
    WHERE p.polrelid = t.oid AND d.refclassid = 'pg_class'::regclass AND d.refobjid = t.oid AND d.refobjsubid = t.attnum
) AS f ON true
ORDER BY 2, 1, 3
