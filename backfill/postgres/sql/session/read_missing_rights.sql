-- Objects whose name stands in the server's message and that this role may not use, with the rights that it lacks; the
-- likeliest first: one of a schema that the text names, then one of the role's search_path, then the longest name. The
-- message may be in any language, so its words do not show whether it is a table or a schema.
SELECT found.kind, found.target, found.lacks, current_user::text AS role
FROM (
    SELECT CASE c.relkind WHEN 'S' THEN 'sequence' ELSE 'relation' END AS kind,
        n.nspname, c.relname AS name, format('%%I.%%I', n.nspname, c.relname) AS target,
        has_schema_privilege(n.oid, 'USAGE') AS reachable,
        ARRAY(
            SELECT CASE WHEN wanted = 'UPDATE' AND c.relname = %(updated)s AND %(columns)s::text[] <> '{}'
                THEN format('UPDATE (%%s)', (SELECT string_agg(quote_ident(n), ', ') FROM unnest(%(columns)s::text[]) AS n))
                ELSE wanted
            END
            FROM unnest(CASE
                WHEN c.relkind = 'S' THEN '{USAGE}'
                WHEN c.relname = %(updated)s THEN %(rights_updated)s::text[]
                ELSE %(rights)s::text[]
            END) WITH ORDINALITY AS r (wanted, place)
            WHERE NOT CASE
                WHEN c.relkind = 'S' THEN has_sequence_privilege(c.oid, wanted)
                WHEN wanted = 'UPDATE' AND c.relname = %(updated)s AND %(columns)s::text[] <> '{}' THEN NOT EXISTS (
                    SELECT FROM pg_attribute a
                    WHERE a.attrelid = c.oid AND a.attname = ANY (%(columns)s::text[])
                      AND NOT has_column_privilege(c.oid, a.attnum, 'UPDATE')
                )
                WHEN wanted IN ('INSERT', 'UPDATE') THEN has_any_column_privilege(c.oid, wanted)
                ELSE has_table_privilege(c.oid, wanted)
            END
            ORDER BY place
        ) AS lacks
    FROM pg_class c
    JOIN pg_namespace n ON n.oid = c.relnamespace
    WHERE position(c.relname IN %(said)s) > 0 AND c.relkind IN ('S', 'r', 'p', 'v', 'm', 'f')
    UNION ALL
    SELECT 'routine', n.nspname, p.proname,
        format('%%I.%%I(%%s)', n.nspname, p.proname, pg_get_function_identity_arguments(p.oid)),
        has_schema_privilege(n.oid, 'USAGE'),
        CASE WHEN has_function_privilege(p.oid, 'EXECUTE') THEN '{}' ELSE '{EXECUTE}' END::text[]
    FROM pg_proc p
    JOIN pg_namespace n ON n.oid = p.pronamespace
    WHERE position(p.proname IN %(said)s) > 0
    UNION ALL
    SELECT 'schema', n.nspname, n.nspname, format('%%I', n.nspname), true,
        CASE WHEN has_schema_privilege(n.oid, 'USAGE') THEN '{}' ELSE '{USAGE}' END::text[]
    FROM pg_namespace n
    WHERE position(n.nspname IN %(said)s) > 0
) found
WHERE found.lacks <> '{}' AND found.nspname NOT IN ('pg_catalog', 'information_schema')
  -- The name as a whole, between what no name has.
  AND %(said)s ~ concat('(^|[^A-Za-z0-9_$])', regexp_replace(found.name, '([^A-Za-z0-9_])', '\\\1', 'g'), '($|[^A-Za-z0-9_$])')
ORDER BY
    found.reachable DESC,
    position(found.nspname IN %(text)s) > 0 DESC,
    array_position(%(schemas)s::text[], found.nspname) NULLS LAST,
    length(found.name) DESC,
    found.target
LIMIT 1
