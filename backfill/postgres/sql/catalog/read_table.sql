-- A table as the catalog knows it, with what this role may do to it; no row when there is no such relation. A job's own
-- trigger does nothing in its worker's session, which `backfill.sync_function` names, and is not among its triggers. Before
-- 15 the copies that a partition has of its parent's triggers are called internal.
SELECT
    current_user::text AS role,
    c.oid::bigint AS oid,
    c.relkind AS kind,
    c.relpersistence AS persistence,
    coalesce(am.amname, '') AS access_method,
    coalesce(pg_relation_filenode(c.oid), 0)::bigint AS filenode,
    (SELECT system_identifier FROM pg_control_system()) AS system_identifier,
    CASE WHEN c.relkind = 'r' THEN pg_relation_size(c.oid) / current_setting('block_size')::bigint ELSE 0 END AS pages,
    greatest(c.reltuples, 0)::bigint AS rows_estimated,
    c.relnamespace IN ('pg_catalog'::regnamespace, 'information_schema'::regnamespace) AS is_system,
    has_schema_privilege(c.relnamespace, 'USAGE') AS may_use_schema,
    has_table_privilege(c.oid, 'SELECT') AS may_select,
    has_table_privilege(c.oid, 'UPDATE') AS may_update,
    CASE WHEN c.relkind IN ('r', 'p') THEN row_security_active(c.oid) ELSE false END AS rows_hidden,
    (
        SELECT coalesce(jsonb_agg(jsonb_build_object(
            'name', a.attname,
            -- With its schema, as every name in a statement that runs under another search_path; the server's keywords
            -- for its own types have none.
            'type', CASE
                WHEN t.typnamespace = 'pg_catalog'::regnamespace
                 AND format_type(t.oid, a.atttypmod) !~ '^(bit|boolean|character|double precision|integer|bigint|smallint|numeric|real|interval|time|timestamp)\M'
                THEN 'pg_catalog.' ELSE ''
            END || format_type(t.oid, a.atttypmod) || coalesce((
                SELECT format(' COLLATE %%I.%%I', cn.nspname, co.collname)
                FROM pg_collation co JOIN pg_namespace cn ON cn.oid = co.collnamespace
                WHERE co.oid = a.attcollation AND a.attcollation <> t.typcollation
            ), ''),
            'generated', a.attgenerated <> '',
            'identity', a.attidentity = 'a',
            'indexed', EXISTS (
                SELECT FROM pg_index i
                JOIN pg_class x ON x.oid = i.indexrelid
                JOIN pg_am xm ON xm.oid = x.relam
                WHERE i.indrelid = c.oid
                  AND (xm.amname <> 'brin' OR current_setting('server_version_num')::int < 160000) AND (
                    a.attnum = ANY (i.indkey::smallint[])
                    OR EXISTS (  -- in an expression, or in a partial index's condition
                        SELECT FROM pg_depend d
                        WHERE d.classid = 'pg_class'::regclass AND d.objid = i.indexrelid
                          AND d.refclassid = 'pg_class'::regclass AND d.refobjid = c.oid AND d.refobjsubid = a.attnum
                    )
                )
            ),
            'may_update', has_column_privilege(c.oid, a.attnum, 'UPDATE')
        ) ORDER BY a.attnum), '[]')
        FROM pg_attribute a
        JOIN pg_type t ON t.oid = a.atttypid
        WHERE a.attrelid = c.oid AND a.attnum > 0 AND NOT a.attisdropped
    ) AS columns,
    (
        SELECT coalesce(jsonb_agg(a.attname ORDER BY array_position(i.indkey::smallint[], a.attnum)), '[]')
        FROM pg_index i
        JOIN pg_attribute a ON a.attrelid = i.indrelid AND a.attnum = ANY (i.indkey::smallint[])
        WHERE i.indrelid = c.oid AND i.indisprimary
          AND array_position(i.indkey::smallint[], a.attnum) < i.indnkeyatts  -- counts from 0; INCLUDE comes after
    ) AS key,
    (
        SELECT coalesce(jsonb_agg(format('OPERATOR(%%I.%%s)', coalesce(n.nspname, 'pg_catalog'), coalesce(o.oprname, '='))
            ORDER BY k.place), '[]')
        FROM pg_index i
        CROSS JOIN unnest(i.indclass::oid[]) WITH ORDINALITY AS k (opclass, place)
        JOIN pg_opclass oc ON oc.oid = k.opclass
        LEFT JOIN pg_amop ao ON ao.amopfamily = oc.opcfamily AND ao.amopmethod = 403 AND ao.amopstrategy = 3
          AND ao.amoplefttype = oc.opcintype AND ao.amoprighttype = oc.opcintype
        LEFT JOIN pg_operator o ON o.oid = ao.amopopr
        LEFT JOIN pg_namespace n ON n.oid = o.oprnamespace
        WHERE i.indrelid = c.oid AND i.indisprimary
    ) AS key_operators,  -- a B-tree's (403) equality (3)
    (SELECT count(*) FROM pg_index i WHERE i.indrelid = c.oid)::int AS indexes,
    EXISTS (SELECT FROM pg_inherits i WHERE i.inhparent = c.oid) AS has_children,
    (
        SELECT coalesce(jsonb_agg(t.tgname ORDER BY t.tgname), '[]')
        FROM pg_trigger t JOIN pg_proc p ON p.oid = t.tgfoid
        WHERE t.tgrelid = c.oid AND (NOT t.tgisinternal OR t.tgparentid <> 0 AND current_setting('server_version_num')::int < 150000)
          AND t.tgenabled IN ('O', 'A')
          AND t.tgtype & 1 = 1 AND t.tgtype & 2 = 2 AND t.tgtype & 16 = 16
          AND NOT (
              p.pronamespace = to_regnamespace('backfill')
              AND p.proname = coalesce(current_setting('backfill.sync_function', true), '')
          )
    ) AS before_update_triggers,
    (
        SELECT coalesce(jsonb_agg(t.tgname ORDER BY t.tgname), '[]')
        FROM pg_trigger t JOIN pg_proc p ON p.oid = t.tgfoid
        WHERE t.tgrelid = c.oid AND (NOT t.tgisinternal OR t.tgparentid <> 0 AND current_setting('server_version_num')::int < 150000)
          AND t.tgenabled <> 'D'
          AND t.tgtype & 1 = 1 AND t.tgtype & 16 = 16
          AND NOT (
              p.pronamespace = to_regnamespace('backfill')
              AND p.proname = coalesce(current_setting('backfill.sync_function', true), '')
          )
    ) AS row_update_triggers,
    (
        SELECT coalesce(jsonb_agg(DISTINCT coalesce(k.conname, t.tgname)), '[]')
        FROM pg_trigger t LEFT JOIN pg_constraint k ON k.oid = t.tgconstraint
        WHERE t.tgrelid = c.oid AND t.tgdeferrable AND t.tgenabled <> 'D' AND t.tgtype & 16 = 16
    ) AS deferrable
FROM pg_class c
JOIN pg_namespace n ON n.oid = c.relnamespace
LEFT JOIN pg_am am ON am.oid = c.relam
WHERE n.nspname = %(schema)s AND c.relname = %(name)s
