-- Why transactions here are read-only: the server is a standby, or where the setting comes from that makes them so. It may
-- be a session's first statement, so that every name in it has its schema.
SELECT
    pg_catalog.pg_is_in_recovery() AS in_recovery,
    s.source,
    CURRENT_USER::pg_catalog.text AS role,
    pg_catalog.current_database()::pg_catalog.text AS database
FROM pg_catalog.pg_settings s
WHERE s.name OPERATOR(pg_catalog.=) 'default_transaction_read_only' AND s.setting OPERATOR(pg_catalog.=) 'on'
