-- A table with its partitions, and the relation that has the name which its index is to have: whether it is that index, whether
-- it is valid, part of the index above, or a constraint's, and who builds it now. `names` are those names by the table's oid.
WITH RECURSIVE tree AS (
    SELECT c.oid, NULL::oid AS parent, 0 AS depth
    FROM pg_catalog.pg_class c JOIN pg_catalog.pg_namespace n ON n.oid = c.relnamespace
    WHERE n.nspname = %(schema)s AND c.relname = %(name)s
    UNION ALL
    SELECT i.inhrelid, i.inhparent, t.depth + 1
    FROM pg_catalog.pg_inherits i JOIN tree t ON t.oid = i.inhparent
    WHERE NOT i.inhdetachpending
)
SELECT
    c.oid::bigint AS oid,
    n.nspname::text AS schema,
    c.relname::text AS "table",
    pn.nspname::text AS parent_schema,
    p.relname::text AS parent,
    t.depth,
    c.relkind = 'p' AS partitioned,
    x.oid IS NOT NULL AND i.indrelid = c.oid AS "exists",
    coalesce(i.indrelid = c.oid AND pg_catalog.pg_get_indexdef(x.oid) = format(
        'CREATE %%sINDEX %%I ON %%s%%I.%%I USING btree (%%s)', CASE WHEN %(unique)s THEN 'UNIQUE ' ELSE '' END, w.name,
        CASE WHEN c.relkind = 'p' THEN 'ONLY ' ELSE '' END, n.nspname, c.relname,
        (SELECT string_agg(quote_ident(col.name), ', ' ORDER BY col.place)
         FROM unnest(%(columns)s::text[]) WITH ORDINALITY AS col (name, place))
    ) || coalesce(' WHERE ' || pg_catalog.pg_get_expr(i.indpred, i.indrelid), ''), false) AS same_columns,
    pg_catalog.pg_get_expr(i.indpred, i.indrelid) AS predicate,
    coalesce(i.indisvalid, false) AS valid,
    EXISTS (
        SELECT FROM pg_catalog.pg_constraint k WHERE k.conindid = x.oid AND k.conrelid = c.oid AND k.contype = 'u'
    ) AS is_constraint,
    EXISTS (
        SELECT FROM pg_catalog.pg_index mine
        JOIN pg_catalog.pg_inherits h ON h.inhrelid = mine.indexrelid
        JOIN pg_catalog.pg_class above ON above.oid = h.inhparent
        JOIN pg_catalog.pg_index of ON of.indexrelid = above.oid
        JOIN unnest(%(oids)s::oid[], %(names)s::text[]) AS wp (oid, name)
            ON wp.oid = of.indrelid AND wp.name = above.relname
        WHERE mine.indrelid = c.oid AND of.indrelid = t.parent
    ) AS attached,
    CASE WHEN i.indrelid = c.oid THEN pg_catalog.pg_get_indexdef(x.oid) END AS definition,
    x.relkind AS taken_kind,
    CASE WHEN i.indrelid <> c.oid THEN i.indrelid::pg_catalog.regclass::text END AS taken_table,
    ARRAY(
        SELECT l.relname::text
        FROM pg_catalog.pg_index li JOIN pg_catalog.pg_class l ON l.oid = li.indexrelid
        WHERE li.indrelid = c.oid AND NOT li.indisvalid AND l.relkind = 'i'
          AND regexp_replace(l.relname, '_cc(new|old)[0-9]*$', '') = w.name AND l.relname <> w.name
    ) AS leftovers,
    (SELECT b.pid FROM pg_catalog.pg_stat_progress_create_index b WHERE b.index_relid = x.oid LIMIT 1) AS builder
FROM tree t
JOIN pg_catalog.pg_class c ON c.oid = t.oid
JOIN pg_catalog.pg_namespace n ON n.oid = c.relnamespace
LEFT JOIN pg_catalog.pg_class p ON p.oid = t.parent
LEFT JOIN pg_catalog.pg_namespace pn ON pn.oid = p.relnamespace
JOIN unnest(%(oids)s::oid[], %(names)s::text[]) AS w (oid, name) ON w.oid = c.oid
LEFT JOIN pg_catalog.pg_class x ON x.relnamespace = c.relnamespace AND x.relname = w.name
LEFT JOIN pg_catalog.pg_index i ON i.indexrelid = x.oid
ORDER BY t.depth, n.nspname, c.relname
