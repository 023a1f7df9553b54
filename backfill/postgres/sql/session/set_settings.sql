-- Settings of the session, those of them that this server has.
SELECT set_config(s.name, wanted.value, false)
FROM jsonb_each_text(%(settings)s::jsonb) wanted
JOIN pg_settings s ON s.name = wanted.key
