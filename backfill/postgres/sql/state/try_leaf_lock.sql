-- The lock of one leaf while it is at work; a job that names this table itself wants the same one.
SELECT pg_try_advisory_lock(%(key)s)
