-- The server we are on, and its timeline: another one means that a failover happened, or that the database was moved.
SELECT
    (SELECT system_identifier FROM pg_control_system()) AS system_identifier,
    ('x' || substr(pg_walfile_name(pg_current_wal_insert_lsn()), 1, 8))::bit(32)::int AS timeline
