-- Of several workers that come first at once, one creates the schema and the others wait for it.
SELECT pg_advisory_xact_lock(%(key)s)
