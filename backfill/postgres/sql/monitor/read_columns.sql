-- Which of these columns this server does not have, as it is now; by name, so that no right on the tables is needed.
SELECT coalesce(jsonb_agg(wanted.text ORDER BY wanted.number), '[]') AS missing
FROM unnest(%(texts)s::text[], %(schemas)s::text[], %(tables)s::text[], %(columns)s::text[])
    WITH ORDINALITY AS wanted (text, schema, "table", "column", number)
WHERE NOT EXISTS (
    SELECT FROM pg_attribute a
    JOIN pg_class c ON c.oid = a.attrelid
    JOIN pg_namespace n ON n.oid = c.relnamespace
    WHERE n.nspname = wanted.schema AND c.relname = wanted."table" AND a.attname = wanted."column"
      AND a.attnum > 0 AND NOT a.attisdropped
)
