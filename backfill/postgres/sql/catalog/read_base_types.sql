-- Columns of a table with their types as values are written in them: without length and precision, a domain's own base;
-- with their schemas but for the server's keywords, see read_table.sql.
SELECT a.attname, (
    WITH RECURSIVE base AS (
        SELECT a.atttypid AS oid, 0 AS depth
        UNION ALL
        SELECT t.typbasetype, b.depth + 1 FROM base b JOIN pg_type t ON t.oid = b.oid AND t.typtype = 'd'
    )
    SELECT CASE
        WHEN t.typnamespace = 'pg_catalog'::regnamespace
         AND format_type(t.oid, -1) !~ '^(bit|boolean|character|double precision|integer|bigint|smallint|numeric|real|interval|time|timestamp)\M'
        THEN 'pg_catalog.' ELSE ''
    END || format_type(t.oid, -1)
    FROM base b JOIN pg_type t ON t.oid = b.oid ORDER BY b.depth DESC LIMIT 1
)
FROM pg_attribute a
WHERE a.attrelid = %(table_oid)s AND a.attnum > 0 AND NOT a.attisdropped
