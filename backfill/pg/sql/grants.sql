-- The least rights of a worker's role; on each table that it fills it needs SELECT, and UPDATE of the columns it sets.
GRANT pg_monitor TO {role};
GRANT USAGE ON SCHEMA backfill TO {role};
GRANT SELECT, INSERT, UPDATE, DELETE ON ALL TABLES IN SCHEMA backfill TO {role};
