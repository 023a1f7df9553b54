-- Compresses the full-page images of this transaction or session; no row where the role may not, so that nothing fails.
SELECT set_config('wal_compression', %(method)s, %(local)s)
WHERE has_parameter_privilege('wal_compression', 'SET')
