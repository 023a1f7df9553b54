-- Objects of a name that this role may not use, with the rights that it lacks; the likeliest first: one of a schema that
-- the text names, then one of the search path.
SELECT found.target, found.lacks, current_user::text AS role
FROM (
    SELECT n.nspname, pg_table_is_visible(c.oid) AS visible, format('%%I.%%I', n.nspname, c.relname) AS target,
        ARRAY(
            SELECT wanted FROM unnest(%(rights)s::text[]) WITH ORDINALITY AS r (wanted, place)
            WHERE NOT CASE
                WHEN c.relkind = 'S' THEN has_sequence_privilege(c.oid, wanted)
                WHEN wanted IN ('INSERT', 'UPDATE') THEN has_any_column_privilege(c.oid, wanted)
                ELSE has_table_privilege(c.oid, wanted)
            END
            ORDER BY place
        ) AS lacks
    FROM pg_class c
    JOIN pg_namespace n ON n.oid = c.relnamespace
    WHERE c.relname = %(name)s
      AND CASE WHEN c.relkind = 'S' THEN 'sequence' WHEN c.relkind IN ('r', 'p', 'v', 'm', 'f') THEN 'relation' END
          = %(kind)s
    UNION ALL
    SELECT n.nspname, pg_function_is_visible(p.oid),
        format('%%I.%%I(%%s)', n.nspname, p.proname, pg_get_function_identity_arguments(p.oid)),
        CASE WHEN has_function_privilege(p.oid, 'EXECUTE') THEN '{}' ELSE %(rights)s::text[] END
    FROM pg_proc p
    JOIN pg_namespace n ON n.oid = p.pronamespace
    WHERE p.proname = %(name)s AND %(kind)s = 'routine'
    UNION ALL
    SELECT n.nspname, true, format('%%I', n.nspname),
        CASE WHEN has_schema_privilege(n.oid, 'USAGE') THEN '{}' ELSE %(rights)s::text[] END
    FROM pg_namespace n
    WHERE n.nspname = %(name)s AND %(kind)s = 'schema'
) found
WHERE found.lacks <> '{}'
ORDER BY position(found.nspname in %(text)s) > 0 DESC, found.visible DESC, found.target
LIMIT 1
