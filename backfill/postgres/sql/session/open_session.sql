-- The first statement of a session: what the role has its settings at, and then ours in their stead. Until it is done the
-- role's own search_path holds, so that every name in it has its schema. With `told_pid`, the process that the protocol
-- named, nothing is read or set in another one: that is a pooler's, and may be anybody's next.
SELECT
    pg_catalog.pg_backend_pid() AS pid,
    pg_catalog.current_schemas(true)::pg_catalog.text[] AS schemas,
    (
        SELECT pg_catalog.jsonb_object_agg(s.name, s.setting)
        FROM pg_catalog.pg_settings s
        WHERE s.name OPERATOR(pg_catalog.=) ANY (%(names)s::pg_catalog.text[])
    ) AS before,
    (
        SELECT pg_catalog.count(pg_catalog.set_config(s.name, wanted.value, false))
        FROM pg_catalog.jsonb_each_text(%(settings)s::pg_catalog.jsonb) AS wanted (name, value)
        JOIN pg_catalog.pg_settings s ON s.name OPERATOR(pg_catalog.=) wanted.name
    ) AS settings,
    pg_catalog.set_config('backfill.sync_function', %(sync_function)s, false) AS sync_function
WHERE %(told_pid)s::pg_catalog.int4 IS NULL OR pg_catalog.pg_backend_pid() OPERATOR(pg_catalog.=) %(told_pid)s::pg_catalog.int4
