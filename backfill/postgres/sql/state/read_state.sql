-- Whether the state schema exists, and what this role may do with it; read from the catalog, so that no right is needed.
SELECT
    current_user::text AS role,
    s.oid IS NOT NULL AS exists,
    coalesce(bool_or(c.relname = 'version'), false) AS has_version,
    coalesce(bool_or(c.relname IN ('job', 'scan')), false) AS has_tables,
    ARRAY['job', 'checkpoint', 'batch', 'event', 'rejected', 'request', 'history'] <@ coalesce(array_agg(c.relname::text), '{}') AS complete,
    coalesce(has_schema_privilege(s.oid, 'USAGE'), false) AS may_look,
    coalesce(has_schema_privilege(s.oid, 'CREATE'), has_database_privilege(current_database(), 'CREATE')) AS may_create,
    coalesce(has_schema_privilege(s.oid, 'USAGE'), false)
        AND coalesce(bool_and(
            has_table_privilege(c.oid, 'SELECT')
            AND (
                c.relname = 'version'
                OR has_table_privilege(c.oid, 'INSERT') AND has_table_privilege(c.oid, 'UPDATE')
                    AND has_table_privilege(c.oid, 'DELETE')
            )
        ), false) AS may_use
FROM (SELECT (SELECT n.oid FROM pg_catalog.pg_namespace n WHERE n.nspname = 'backfill') AS oid) AS s
LEFT JOIN pg_catalog.pg_class c ON c.relnamespace = s.oid
    AND c.relname IN ('version', 'job', 'scan', 'checkpoint', 'batch', 'event', 'rejected', 'request', 'history')
GROUP BY s.oid
