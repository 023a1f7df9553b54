-- What an UPDATE of a table causes in addition to its rows, for the job's table and each table that holds its rows:
-- rules, statement triggers, transition tables, triggers that write the partition key or whose function names the job's
-- table, constraints that look at several rows, what is deferrable, and defaults of the columns that are set. Before 15
-- the copies that a partition has of its parent's triggers are called internal.
WITH RECURSIVE tree AS (
    SELECT c.oid, true AS is_root
    FROM pg_class c JOIN pg_namespace n ON n.oid = c.relnamespace
    WHERE n.nspname = %(schema)s AND c.relname = %(name)s
    UNION
    SELECT i.inhrelid, false
    FROM pg_inherits i JOIN tree t ON t.oid = i.inhparent
    WHERE NOT i.inhdetachpending
),
partition_key AS (
    SELECT DISTINCT a.attname
    FROM tree t
    JOIN pg_depend d ON d.objid = t.oid
    JOIN pg_attribute a ON a.attrelid = d.objid AND a.attnum = d.objsubid
    JOIN pg_class c ON c.oid = t.oid AND c.relkind = 'p'
    WHERE d.classid = 'pg_class'::regclass
      AND d.refclassid = 'pg_class'::regclass
      AND d.refobjid = t.oid AND d.refobjsubid = 0
      AND d.deptype = 'i'
),
update_trigger AS (
    SELECT t.*, p.prosrc
    FROM pg_trigger t JOIN pg_proc p ON p.oid = t.tgfoid
    WHERE (NOT t.tgisinternal OR t.tgparentid <> 0 AND current_setting('server_version_num')::int < 150000)
      AND t.tgtype & 16 = 16
      AND p.pronamespace IS DISTINCT FROM to_regnamespace('backfill')  -- such a one changes the row alone, and no key
      AND t.tgenabled = ANY (
          CASE current_setting('session_replication_role')
              WHEN 'replica' THEN ARRAY['R', 'A'] ELSE ARRAY['O', 'A'] END::"char"[]
      )
      AND (cardinality(t.tgattr::int2[]) = 0 OR EXISTS (
          SELECT FROM pg_attribute a
          WHERE a.attrelid = t.tgrelid
            AND a.attnum = ANY (t.tgattr::int2[])
            AND a.attname = ANY (%(columns)s)
      ))
)
SELECT
    n.nspname AS schema,
    c.relname AS name,
    tree.is_root,
    c.relkind <> 'p' AS holds_rows,
    ARRAY(
        SELECT r.rulename::text FROM pg_rewrite r
        WHERE r.ev_class = c.oid AND r.ev_type = '2'
          AND r.ev_enabled <> 'D'
        ORDER BY 1
    ) AS rules,
    ARRAY(
        SELECT t.tgname::text FROM update_trigger t
        WHERE t.tgrelid = c.oid AND t.tgtype & 1 = 0
        ORDER BY 1
    ) AS statement_triggers,
    ARRAY(
        SELECT t.tgname::text FROM update_trigger t
        WHERE t.tgrelid = c.oid AND t.tgtype & 1 = 1
          AND (t.tgoldtable IS NOT NULL OR t.tgnewtable IS NOT NULL)
        ORDER BY 1
    ) AS transition_triggers,
    ARRAY(
        SELECT DISTINCT t.tgname::text FROM update_trigger t, partition_key k
        WHERE t.tgrelid = c.oid AND t.tgtype & 3 = 3
          AND t.prosrc ~* concat(
              '\mnew\s*\.\s*"?', regexp_replace(k.attname, '\W', '\\\&', 'g'), '"?\s*(:=|=)'
          )
        ORDER BY 1
    ) AS moving_triggers,
    ARRAY(
        SELECT DISTINCT t.tgname::text FROM update_trigger t, tree named JOIN pg_class nc ON nc.oid = named.oid
        WHERE t.tgrelid = c.oid AND t.tgtype & 1 = 1
          AND t.prosrc ~* concat('\m', regexp_replace(nc.relname, '\W', '\\\&', 'g'), '\M')
        ORDER BY 1
    ) AS own_row_triggers,
    ARRAY(
        SELECT k.conname::text FROM pg_constraint k
        WHERE k.conrelid = c.oid AND (
            k.condeferrable AND k.contype = ANY (ARRAY['u', 'p', 'x']::"char"[])
            OR k.contype = 'f' AND k.confrelid = c.oid
        ) AND EXISTS (
            SELECT FROM pg_attribute a
            WHERE a.attrelid = c.oid AND a.attname = ANY (%(columns)s)
              AND (a.attnum = ANY (k.conkey) OR a.attnum = ANY (k.confkey))
        )
        ORDER BY 1
    ) AS several_row_constraints,
    ARRAY(
        SELECT t.tgname::text FROM update_trigger t
        WHERE t.tgrelid = c.oid AND t.tgdeferrable
        ORDER BY 1
    ) AS deferrable_triggers,
    (
        SELECT coalesce(jsonb_object_agg(a.attname, coalesce(pg_get_expr(d.adbin, d.adrelid), '')), '{}')
        FROM pg_attribute a
        LEFT JOIN pg_attrdef d
            ON d.adrelid = a.attrelid AND d.adnum = a.attnum
        WHERE a.attrelid = c.oid AND a.attname = ANY (%(columns)s)
    ) AS defaults
FROM tree
JOIN pg_class c ON c.oid = tree.oid
JOIN pg_namespace n ON n.oid = c.relnamespace
WHERE c.relpersistence <> 't' OR tree.is_root
ORDER BY tree.is_root DESC, n.nspname, c.relname
