-- The same before PostgreSQL 15, where no right to a setting can be granted.
SELECT set_config('wal_compression', %(method)s, true)
WHERE (SELECT rolsuper FROM pg_roles WHERE rolname = current_user)
