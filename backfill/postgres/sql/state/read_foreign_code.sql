-- What in schema backfill is not ours: a relation of one of our names that is not our table, and whatever is attached to
-- our tables and would run with the rights of those who use them.
SELECT f.what || '; drop it, or rename schema backfill' AS finding
FROM (
    SELECT 'backfill.' || quote_ident(c.relname) || ' is not one of our tables' AS what
    FROM pg_catalog.pg_class c
    WHERE c.relnamespace = to_regnamespace('backfill')
      AND c.relname IN ('version', 'job', 'scan', 'checkpoint', 'batch', 'event', 'rejected', 'request', 'history')
      AND (
          c.relkind <> 'r' OR c.relispartition
          OR NOT EXISTS (
              SELECT FROM pg_catalog.pg_attribute a
              WHERE a.attrelid = c.oid AND NOT a.attisdropped
                AND a.attname = CASE c.relname WHEN 'version' THEN 'number' WHEN 'job' THEN 'spec' ELSE 'job' END
          )
          OR EXISTS (SELECT FROM pg_catalog.pg_inherits i WHERE c.oid IN (i.inhrelid, i.inhparent))
      )
    UNION ALL
    SELECT pg_describe_object('pg_catalog.pg_trigger'::regclass, t.oid, 0) || ' is not ours'
    FROM pg_catalog.pg_trigger t
    JOIN pg_catalog.pg_class c ON c.oid = t.tgrelid
    WHERE c.relnamespace = to_regnamespace('backfill') AND NOT t.tgisinternal
    UNION ALL
    SELECT pg_describe_object('pg_catalog.pg_rewrite'::regclass, w.oid, 0) || ' is not ours'
    FROM pg_catalog.pg_rewrite w
    JOIN pg_catalog.pg_class c ON c.oid = w.ev_class
    WHERE c.relnamespace = to_regnamespace('backfill') AND c.relkind = 'r'
    UNION ALL
    SELECT pg_describe_object('pg_catalog.pg_policy'::regclass, p.oid, 0) || ' is not ours'
    FROM pg_catalog.pg_policy p
    JOIN pg_catalog.pg_class c ON c.oid = p.polrelid
    WHERE c.relnamespace = to_regnamespace('backfill')
    UNION ALL
    -- Ours depend on nothing but what PostgreSQL brings, which has object identifiers below 16384.
    SELECT pg_describe_object(d.classid, d.objid, d.objsubid) || ' uses '
        || pg_describe_object(d.refclassid, d.refobjid, d.refobjsubid) || ' and is not ours'
    FROM pg_catalog.pg_class c
    JOIN LATERAL (
        SELECT 'pg_catalog.pg_class'::regclass AS classid, c.oid AS objid
        UNION ALL
        SELECT 'pg_catalog.pg_class'::regclass, i.indexrelid FROM pg_catalog.pg_index i WHERE i.indrelid = c.oid
        UNION ALL
        SELECT 'pg_catalog.pg_attrdef'::regclass, a.oid FROM pg_catalog.pg_attrdef a WHERE a.adrelid = c.oid
        UNION ALL
        SELECT 'pg_catalog.pg_constraint'::regclass, k.oid FROM pg_catalog.pg_constraint k WHERE k.conrelid = c.oid
    ) AS parts ON true
    JOIN pg_catalog.pg_depend d ON d.classid = parts.classid AND d.objid = parts.objid
    WHERE c.relnamespace = to_regnamespace('backfill') AND c.relkind = 'r'
      AND d.refclassid IN (
          'pg_catalog.pg_proc'::regclass, 'pg_catalog.pg_operator'::regclass, 'pg_catalog.pg_type'::regclass,
          'pg_catalog.pg_opclass'::regclass, 'pg_catalog.pg_collation'::regclass
      )
      AND d.refobjid >= 16384
) AS f
