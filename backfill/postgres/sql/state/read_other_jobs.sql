-- Other jobs that are not done, with the tables that they work on and the columns that they set.
SELECT j.name, j.state, j.spec ->> 'table' AS "table",
    ARRAY(SELECT jsonb_object_keys(CASE jsonb_typeof(j.spec -> 'set') WHEN 'object' THEN j.spec -> 'set' ELSE '{}' END))
        AS columns
FROM backfill.job j
WHERE j.name <> %(job)s AND j.state NOT IN ('done', 'unconverged', 'cancelled')
ORDER BY j.name
