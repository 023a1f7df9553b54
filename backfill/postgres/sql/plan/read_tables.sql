-- What a DBA would look at before a table is filled, for the job's table and each that holds its rows: its upkeep, its
-- triggers and foreign keys, its indexes and constraints, and who else reads or writes it. No row if there is no table.
WITH RECURSIVE tree AS (
    SELECT c.oid
    FROM pg_class c JOIN pg_namespace n ON n.oid = c.relnamespace
    WHERE n.nspname = %(schema)s AND c.relname = %(name)s
    UNION
    SELECT i.inhrelid FROM pg_inherits i JOIN tree t ON t.oid = i.inhparent
),
referencing AS (
    SELECT k.confrelid, jsonb_agg(DISTINCT jsonb_build_object(
        'name', k.conname,
        'table', k.conrelid::regclass::text,
        'indexed', EXISTS (
            SELECT FROM pg_index i WHERE i.indrelid = k.conrelid AND i.indisvalid AND i.indkey[0] = ANY (k.conkey)
        )
    )) AS keys
    FROM pg_constraint k
    JOIN pg_attribute a ON a.attrelid = k.confrelid AND a.attnum = ANY (k.confkey) AND a.attname = ANY (%(columns)s)
    WHERE k.contype = 'f' AND k.confrelid IN (SELECT oid FROM tree)
    GROUP BY k.confrelid
)
SELECT
    format('%%I.%%I', n.nspname, c.relname) AS name,
    c.reltuples >= 0 AND (c.relpages > 0 OR size.heap_bytes = 0) AS analysed,
    EXISTS (SELECT FROM pg_index i WHERE i.indrelid = c.oid AND i.indisprimary) AS has_key,
    CASE WHEN c.reltuples > 0 THEN c.reltuples ELSE pg_stat_get_live_tuples(c.oid) END::bigint AS live_rows,
    pg_stat_get_dead_tuples(c.oid)::bigint AS dead_rows,
    size.heap_bytes,
    NOT EXISTS (
        SELECT FROM pg_options_to_table(c.reloptions) o
        WHERE o.option_name = 'autovacuum_enabled' AND NOT o.option_value::boolean
    ) AS autovacuum,
    CASE WHEN c.relfrozenxid <> '0' THEN age(c.relfrozenxid) ELSE 0 END AS frozen_age,
    c.relpersistence <> 'u' AS logged,
    c.relreplident = 'f' AS full_identity,
    fired.before_triggers,
    fired.after_triggers,
    ARRAY(
        SELECT k.conname::text FROM pg_constraint k
        WHERE k.conrelid = c.oid AND k.contype = 'f' AND k.conkey && target.numbers
        ORDER BY 1
    ) AS "references",
    coalesce(r.keys, '[]') AS referenced_by,
    ARRAY(
        SELECT x.relname::text
        FROM pg_index i
        JOIN pg_class x ON x.oid = i.indexrelid
        JOIN pg_am xm ON xm.oid = x.relam
        WHERE i.indrelid = c.oid
          AND (xm.amname <> 'brin' OR current_setting('server_version_num')::int < 160000) AND (
            i.indkey::smallint[] && target.numbers
            OR EXISTS (  -- in an expression, or in a partial index's condition
                SELECT FROM pg_depend d
                WHERE d.classid = 'pg_class'::regclass AND d.objid = i.indexrelid
                  AND d.refclassid = 'pg_class'::regclass AND d.refobjid = c.oid
                  AND d.refobjsubid = ANY (target.numbers)
            )
        )
        ORDER BY 1
    ) AS target_indexes,
    ARRAY(
        SELECT format('%%I.%%I', n.nspname, x.relname)
        FROM pg_index i JOIN pg_class x ON x.oid = i.indexrelid
        WHERE i.indrelid = c.oid AND NOT (i.indisvalid AND i.indisready)
          -- One that is being built is not left behind.
          AND NOT EXISTS (SELECT FROM pg_stat_progress_create_index p WHERE p.index_relid = i.indexrelid)
        ORDER BY 1
    ) AS invalid_indexes,
    ARRAY(
        SELECT k.conname::text FROM pg_constraint k
        WHERE k.conrelid = c.oid AND NOT k.convalidated AND k.contype <> 'f'
        ORDER BY 1
    ) AS unproven_constraints,
    ARRAY(
        SELECT p.pubname::text
        FROM pg_publication p
        WHERE p.pubupdate AND (
            p.puballtables
            OR EXISTS (
                SELECT FROM pg_publication_rel pr
                WHERE pr.prpubid = p.oid
                  AND (pr.prrelid = c.oid OR pr.prrelid IN (SELECT relid FROM pg_partition_ancestors(c.oid)))
            )
            OR EXISTS (
                SELECT FROM pg_depend m JOIN pg_depend o ON o.classid = m.classid AND o.objid = m.objid
                WHERE m.refclassid = 'pg_publication'::regclass AND m.refobjid = p.oid
                  AND o.refclassid = 'pg_namespace'::regclass AND (
                      o.refobjid = c.relnamespace
                      OR o.refobjid IN (
                          SELECT ac.relnamespace FROM pg_partition_ancestors(c.oid) u JOIN pg_class ac ON ac.oid = u.relid
                      )
                  )
            )
        )
        ORDER BY 1
    ) AS publications,
    ARRAY(
        SELECT s.subname::text FROM pg_subscription_rel sr JOIN pg_subscription s ON s.oid = sr.srsubid
        WHERE sr.srrelid = c.oid
        ORDER BY 1
    ) AS subscriptions
FROM tree
JOIN pg_class c ON c.oid = tree.oid AND c.relkind = 'r'
JOIN pg_namespace n ON n.oid = c.relnamespace
LEFT JOIN referencing r ON r.confrelid = c.oid
CROSS JOIN LATERAL (SELECT pg_relation_size(c.oid) AS heap_bytes) size
CROSS JOIN LATERAL (
    SELECT coalesce(array_agg(a.attnum), '{}') AS numbers
    FROM pg_attribute a
    WHERE a.attrelid = c.oid AND a.attname = ANY (%(columns)s) AND NOT a.attisdropped
) target
CROSS JOIN LATERAL (
    SELECT
        coalesce(array_agg(t.tgname::text ORDER BY t.tgname) FILTER (WHERE t.tgtype & 2 = 2), '{}') AS before_triggers,
        coalesce(array_agg(t.tgname::text ORDER BY t.tgname) FILTER (WHERE t.tgtype & 2 = 0), '{}') AS after_triggers
    FROM pg_trigger t
    JOIN pg_proc f ON f.oid = t.tgfoid
    WHERE t.tgrelid = c.oid AND NOT t.tgisinternal AND t.tgenabled IN ('O', 'A')
      AND t.tgtype & 1 = 1 AND t.tgtype & 16 = 16
      AND f.pronamespace IS DISTINCT FROM to_regnamespace('backfill')  -- the trigger of a job is known
      AND (cardinality(t.tgattr::int2[]) = 0 OR t.tgattr::int2[] && target.numbers)
) fired
ORDER BY size.heap_bytes DESC, c.oid
