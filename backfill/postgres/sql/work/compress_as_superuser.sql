-- The same before PostgreSQL 15, where there is one method, and no right to a setting can be granted.
SELECT set_config('wal_compression', 'on', %(local)s)
WHERE (SELECT rolsuper FROM pg_roles WHERE rolname = current_user)
