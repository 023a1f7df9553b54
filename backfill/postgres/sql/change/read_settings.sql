-- Settings of the session by their names.
SELECT name, setting FROM pg_settings WHERE name = ANY (%(names)s::text[]) ORDER BY name
