-- From our settings to the role's own for the rest of the transaction, or back for the session. It runs under either
-- search_path, so that every name in it has its schema.
SELECT pg_catalog.set_config(wanted.name, wanted.value, %(local)s)
FROM pg_catalog.jsonb_each_text(%(settings)s::pg_catalog.jsonb) AS wanted (name, value)
