-- A leaf's lock is given back.
SELECT pg_advisory_unlock(%(key)s)
