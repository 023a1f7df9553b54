-- Objects of schema backfill, and itself, that belong to a role that this one has no reason to trust: not itself, not a
-- superuser and, unless it is a superuser itself, not the owner of the database. A sequence runs no code, and a trigger
-- function none but on tables whose owner has chosen it: these belong to jobs.
SELECT o.what || ' belongs to role ' || quote_ident(r.rolname)
    || ', which could run code with the rights of ' || quote_ident(current_user)
    || ' through it; run this as that role, or rename the schema' AS finding
FROM (
    SELECT 1 AS place, 'schema backfill' AS what, n.nspowner AS owner
    FROM pg_catalog.pg_namespace n
    WHERE n.nspname = 'backfill'
    UNION ALL
    SELECT 2, 'relation backfill.' || quote_ident(c.relname), c.relowner
    FROM pg_catalog.pg_class c
    WHERE c.relnamespace = to_regnamespace('backfill') AND c.relkind IN ('r', 'p', 'v', 'm', 'f')
    UNION ALL
    SELECT 3, 'function backfill.' || quote_ident(p.proname), p.proowner
    FROM pg_catalog.pg_proc p
    WHERE p.pronamespace = to_regnamespace('backfill') AND p.prorettype <> 'trigger'::regtype
) AS o
JOIN pg_catalog.pg_roles r ON r.oid = o.owner
JOIN pg_catalog.pg_roles me ON me.rolname = current_user
JOIN pg_catalog.pg_database d ON d.datname = current_database()
WHERE NOT (r.rolsuper OR r.oid = me.oid OR (r.oid = d.datdba AND NOT me.rolsuper))
