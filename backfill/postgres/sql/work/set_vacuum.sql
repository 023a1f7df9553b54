-- Settings of the session that runs our VACUUM, those of them that this server has.
SELECT set_config(s.name, wanted.value, false)
FROM jsonb_each_text(%(settings)s) wanted
JOIN pg_settings s ON s.name = wanted.key
