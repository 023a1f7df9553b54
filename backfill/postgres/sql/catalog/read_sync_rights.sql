-- Whether the role may make a function in the state schema, or the schema itself, and write it in PL/pgSQL.
SELECT
    current_user::text AS role,
    coalesce(
        has_schema_privilege(to_regnamespace('backfill')::oid, 'CREATE'),
        has_database_privilege(current_database(), 'CREATE')
    ) AS may_create,
    coalesce((SELECT has_language_privilege(l.oid, 'USAGE') FROM pg_language l WHERE l.lanname = 'plpgsql'), false)
        AS may_write
