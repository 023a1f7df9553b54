-- What the expressions of a job need: columns of relations, as the server checks them, sequences and functions, and the
-- schemas of all of these and of types. `for_all` is whether everybody has the right, `had` whether this role has it.
WITH relations AS (
    SELECT (r ->> 0)::oid AS oid, ARRAY(SELECT jsonb_array_elements_text(r -> 1)::int2) AS columns
    FROM jsonb_array_elements(%(relations)s::jsonb) AS r
    WHERE (r ->> 0)::oid IS DISTINCT FROM to_regclass(%(table)s)
), used AS (
    SELECT d.refclassid, d.refobjid
    FROM pg_depend d
    WHERE d.classid = 'pg_rewrite'::regclass AND d.objid = ANY (%(rules)s::oid[])
       OR d.classid = 'pg_attrdef'::regclass AND d.objid IN (
           SELECT f.oid FROM pg_attrdef f JOIN pg_attribute a ON a.attrelid = f.adrelid AND a.attnum = f.adnum
           WHERE f.adrelid = to_regclass(%(table)s) AND a.attname = ANY (%(defaulted)s::text[])
       )
), routines AS (
    SELECT u.refobjid AS oid FROM used u WHERE u.refclassid = 'pg_proc'::regclass
    UNION
    SELECT o.oprcode FROM used u JOIN pg_operator o ON o.oid = u.refobjid WHERE u.refclassid = 'pg_operator'::regclass
), rights AS (
    SELECT 'relation' AS kind, c.relnamespace AS namespace, format('%%s.%%I', c.relnamespace::regnamespace, c.relname) AS target,
        c.relname::text AS name,
        -- Without a column that is named, any one of them is enough.
        CASE WHEN read.whole THEN 'SELECT' ELSE format('SELECT (%%s)', (
            SELECT string_agg(quote_ident(a.attname), ', ' ORDER BY a.attnum)
            FROM pg_attribute a WHERE a.attrelid = c.oid AND a.attnum = ANY (read.columns)
        )) END AS privilege,
        CASE WHEN read.whole THEN has_table_privilege('public', c.oid, 'SELECT') ELSE (
            SELECT bool_and(has_column_privilege('public', c.oid, number, 'SELECT')) FROM unnest(read.columns) AS number
        ) END AS for_all,
        CASE WHEN read.whole THEN has_table_privilege(c.oid, 'SELECT')
            WHEN r.columns = '{}' THEN has_any_column_privilege(c.oid, 'SELECT')
            ELSE (SELECT bool_and(has_column_privilege(c.oid, number, 'SELECT')) FROM unnest(read.columns) AS number)
        END AS had
    FROM (SELECT oid, array_agg(DISTINCT number) FILTER (WHERE number IS NOT NULL) AS columns
          FROM relations LEFT JOIN unnest(columns) AS number ON true GROUP BY oid) AS merged
    CROSS JOIN LATERAL (SELECT coalesce(merged.columns, '{}') AS columns) AS r
    JOIN pg_class c ON c.oid = merged.oid
    CROSS JOIN LATERAL (
        SELECT
            EXISTS (SELECT FROM unnest(r.columns) AS number WHERE number <= 0) AS whole,
            CASE WHEN r.columns <> '{}' THEN r.columns ELSE ARRAY(
                SELECT a.attnum FROM pg_attribute a
                WHERE a.attrelid = c.oid AND a.attnum > 0 AND NOT a.attisdropped ORDER BY a.attnum LIMIT 1
            ) END AS columns
    ) AS read
    UNION ALL
    SELECT DISTINCT 'sequence', c.relnamespace, format('%%s.%%I', c.relnamespace::regnamespace, c.relname), c.relname::text,
        'USAGE', has_sequence_privilege('public', c.oid, 'USAGE'), has_sequence_privilege(c.oid, 'USAGE')
    FROM used u JOIN pg_class c ON u.refclassid = 'pg_class'::regclass AND c.oid = u.refobjid AND c.relkind = 'S'
    UNION ALL
    SELECT 'routine', p.pronamespace,
        format('%%s.%%I(%%s)', p.pronamespace::regnamespace, p.proname, pg_get_function_identity_arguments(p.oid)),
        p.proname::text, 'EXECUTE', has_function_privilege('public', p.oid, 'EXECUTE'),
        has_function_privilege(p.oid, 'EXECUTE')
    FROM routines JOIN pg_proc p USING (oid)
), namespaces AS (
    SELECT namespace AS oid FROM rights
    UNION
    SELECT t.typnamespace FROM used u JOIN pg_type t ON u.refclassid = 'pg_type'::regclass AND t.oid = u.refobjid
)
SELECT 'schema' AS kind, quote_ident(n.nspname) AS target, n.nspname::text AS name, 'USAGE' AS privilege,
    has_schema_privilege('public', n.oid, 'USAGE') AS for_all, has_schema_privilege(n.oid, 'USAGE') AS had
FROM namespaces JOIN pg_namespace n USING (oid)
UNION ALL
SELECT kind, target, name, privilege, for_all, had FROM rights
