-- What this role lacks to read how a job stands and to record what finish did, as GRANTs; read from the catalog, so that no
-- right is needed.
WITH state AS (
    SELECT n.oid AS schema, c.oid, c.relname
    FROM pg_catalog.pg_namespace n JOIN pg_catalog.pg_class c ON c.relnamespace = n.oid
    WHERE n.nspname = 'backfill'
)
SELECT format('GRANT USAGE ON SCHEMA backfill TO %%I;', current_user) AS missing
FROM state
WHERE NOT has_schema_privilege(schema, 'USAGE')
UNION
SELECT format('GRANT %%s ON backfill.%%I TO %%I;', string_agg(wanted.privilege, ', ' ORDER BY wanted.place), s.relname, current_user)
FROM state s
JOIN (
    VALUES
        (1, 'job', 'SELECT'), (2, 'job', 'UPDATE'), (3, 'checkpoint', 'SELECT'), (4, 'version', 'SELECT'),
        (5, 'event', 'SELECT'), (6, 'event', 'INSERT'), (7, 'event', 'UPDATE')
) AS wanted (place, name, privilege) ON wanted.name = s.relname
WHERE NOT has_table_privilege(s.oid, wanted.privilege)
GROUP BY s.relname
ORDER BY missing DESC
