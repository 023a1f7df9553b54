-- What a DBA would look at before a table is filled, for the job's table and each that holds its rows: its upkeep, its
-- triggers and foreign keys, its indexes and constraints, and who else reads or writes it. No row if there is no table.
WITH RECURSIVE tree AS (
    SELECT c.oid
    FROM pg_class c JOIN pg_namespace n ON n.oid = c.relnamespace
    WHERE n.nspname = %(schema)s AND c.relname = %(name)s
    UNION
    SELECT i.inhrelid FROM pg_inherits i JOIN tree t ON t.oid = i.inhparent
),
target AS (
    SELECT a.attrelid, a.attnum
    FROM tree t JOIN pg_attribute a ON a.attrelid = t.oid
    WHERE a.attname = ANY (%(columns)s) AND NOT a.attisdropped
),
above AS (
    SELECT t.oid AS leaf, t.oid FROM tree t
    UNION
    SELECT a.leaf, i.inhparent FROM above a JOIN pg_inherits i ON i.inhrelid = a.oid
),
update_trigger AS (
    SELECT t.tgrelid, t.tgname::text AS name, t.tgtype & 2 = 2 AS before
    FROM tree JOIN pg_trigger t ON t.tgrelid = tree.oid
    JOIN pg_proc f ON f.oid = t.tgfoid
    JOIN pg_namespace fn ON fn.oid = f.pronamespace AND fn.nspname <> 'backfill'  -- the trigger of a job is known
    WHERE NOT t.tgisinternal AND t.tgenabled IN ('O', 'A') AND t.tgtype & 1 = 1 AND t.tgtype & 16 = 16
      AND (cardinality(t.tgattr::int2[]) = 0
           OR EXISTS (SELECT FROM target a WHERE a.attrelid = t.tgrelid AND a.attnum = ANY (t.tgattr::int2[])))
)
SELECT
    format('%%I.%%I', n.nspname, c.relname) AS name,
    c.reltuples >= 0 AND (c.relpages > 0 OR pg_relation_size(c.oid) = 0) AS analysed,
    EXISTS (SELECT FROM pg_index i WHERE i.indrelid = c.oid AND i.indisprimary) AS has_key,
    CASE WHEN c.reltuples > 0 THEN c.reltuples ELSE pg_stat_get_live_tuples(c.oid) END::bigint AS live_rows,
    pg_stat_get_dead_tuples(c.oid)::bigint AS dead_rows,
    pg_relation_size(c.oid) AS heap_bytes,
    NOT EXISTS (
        SELECT FROM pg_options_to_table(c.reloptions) o
        WHERE o.option_name = 'autovacuum_enabled' AND NOT o.option_value::boolean
    ) AS autovacuum,
    CASE WHEN c.relfrozenxid <> '0' THEN age(c.relfrozenxid) ELSE 0 END AS frozen_age,
    c.relpersistence <> 'u' AS logged,
    c.relreplident = 'f' AS full_identity,
    ARRAY(SELECT t.name FROM update_trigger t WHERE t.tgrelid = c.oid AND t.before ORDER BY 1) AS before_triggers,
    ARRAY(SELECT t.name FROM update_trigger t WHERE t.tgrelid = c.oid AND NOT t.before ORDER BY 1) AS after_triggers,
    ARRAY(
        SELECT DISTINCT k.conname::text
        FROM pg_constraint k JOIN target a ON a.attrelid = k.conrelid AND a.attnum = ANY (k.conkey)
        WHERE k.conrelid = c.oid AND k.contype = 'f'
        ORDER BY 1
    ) AS "references",
    (
        SELECT coalesce(jsonb_agg(DISTINCT jsonb_build_object(
            'name', k.conname,
            'table', k.conrelid::regclass::text,
            'indexed', EXISTS (
                SELECT FROM pg_index i WHERE i.indrelid = k.conrelid AND i.indisvalid AND i.indkey[0] = ANY (k.conkey)
            )
        )), '[]')
        FROM pg_constraint k JOIN target a ON a.attrelid = k.confrelid AND a.attnum = ANY (k.confkey)
        WHERE k.confrelid = c.oid AND k.contype = 'f'
    ) AS referenced_by,
    ARRAY(
        SELECT DISTINCT x.relname::text
        FROM pg_index i
        JOIN pg_class x ON x.oid = i.indexrelid
        JOIN pg_am xm ON xm.oid = x.relam
        JOIN target a ON a.attrelid = c.oid
        WHERE i.indrelid = c.oid
          AND (xm.amname <> 'brin' OR current_setting('server_version_num')::int < 160000) AND (
            a.attnum = ANY (i.indkey::smallint[])
            OR EXISTS (
                SELECT FROM pg_depend d
                WHERE d.classid = 'pg_class'::regclass AND d.objid = i.indexrelid
                  AND d.refclassid = 'pg_class'::regclass AND d.refobjid = c.oid AND d.refobjsubid = a.attnum
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
        SELECT DISTINCT p.pubname::text
        FROM above a
        JOIN pg_class ac ON ac.oid = a.oid
        JOIN pg_publication p ON p.pubupdate
        WHERE a.leaf = c.oid AND (
            p.puballtables
            OR EXISTS (SELECT FROM pg_publication_rel r WHERE r.prpubid = p.oid AND r.prrelid = a.oid)
            OR EXISTS (
                SELECT FROM pg_depend m JOIN pg_depend o ON o.classid = m.classid AND o.objid = m.objid
                WHERE m.refclassid = 'pg_publication'::regclass AND m.refobjid = p.oid
                  AND o.refclassid = 'pg_namespace'::regclass AND o.refobjid = ac.relnamespace
            )
        )
        ORDER BY 1
    ) AS publications,
    ARRAY(
        SELECT s.subname::text FROM pg_subscription_rel r JOIN pg_subscription s ON s.oid = r.srsubid
        WHERE r.srrelid = c.oid
        ORDER BY 1
    ) AS subscriptions
FROM tree
JOIN pg_class c ON c.oid = tree.oid AND c.relkind = 'r'
JOIN pg_namespace n ON n.oid = c.relnamespace
ORDER BY pg_relation_size(c.oid) DESC, c.oid
