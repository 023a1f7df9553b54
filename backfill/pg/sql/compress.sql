-- Compresses this transaction's full-page images; no row where the role may not, so that nothing fails.
SELECT set_config('wal_compression', %(method)s, true)
WHERE has_parameter_privilege('wal_compression', 'SET')
