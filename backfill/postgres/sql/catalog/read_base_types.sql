-- Columns of a table with their types as values are written in them: without length and precision, a domain's own base;
-- with their schemas but for the server's keywords, see read_table.sql. `array_inside` is whether such a value has an
-- array in it, as that of a row type may.
SELECT a.attname,
    CASE
        WHEN base.typnamespace = 'pg_catalog'::regnamespace
         AND format_type(base.oid, -1) !~ '^(bit|boolean|character|double precision|integer|bigint|smallint|numeric|real|interval|time|timestamp)\M'
        THEN 'pg_catalog.' ELSE ''
    END || format_type(base.oid, -1) AS base,
    EXISTS (
        WITH RECURSIVE part AS (
            SELECT base.oid, 0 AS depth
            UNION
            SELECT below.oid, 1
            FROM part p JOIN pg_type t ON t.oid = p.oid
            CROSS JOIN LATERAL (
                SELECT t.typelem WHERE t.typsubscript = 'array_subscript_handler'::regproc
                UNION ALL SELECT t.typbasetype WHERE t.typtype = 'd'
                UNION ALL SELECT r.rngsubtype FROM pg_range r WHERE t.oid IN (r.rngtypid, r.rngmultitypid)
                UNION ALL SELECT c.atttypid FROM pg_attribute c
                WHERE t.typtype = 'c' AND c.attrelid = t.typrelid AND c.attnum > 0 AND NOT c.attisdropped
            ) AS below(oid)
        )
        SELECT FROM part p JOIN pg_type t ON t.oid = p.oid
        WHERE p.depth > 0 AND t.typlen = -1 AND t.typsubscript = 'array_subscript_handler'::regproc
    ) AS array_inside
FROM pg_attribute a
CROSS JOIN LATERAL (
    WITH RECURSIVE base AS (
        SELECT a.atttypid AS oid, 0 AS depth
        UNION ALL
        SELECT t.typbasetype, b.depth + 1 FROM base b JOIN pg_type t ON t.oid = b.oid AND t.typtype = 'd'
    )
    SELECT t.oid, t.typnamespace
    FROM base b JOIN pg_type t ON t.oid = b.oid ORDER BY b.depth DESC LIMIT 1
) AS base
WHERE a.attrelid = %(table_oid)s AND a.attnum > 0 AND NOT a.attisdropped
