-- Who owns the function of a job's trigger, and whether this role may change it; no row if there is none.
SELECT o.rolname::text AS owner, pg_catalog.pg_has_role(p.proowner, 'USAGE') AS may_alter, current_user::text AS role
FROM pg_catalog.pg_proc p
JOIN pg_catalog.pg_namespace n ON n.oid = p.pronamespace
JOIN pg_catalog.pg_roles o ON o.oid = p.proowner
WHERE n.nspname = 'backfill' AND p.proname = %(function)s
