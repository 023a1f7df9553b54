-- The lock of a job until the transaction ends: no worker has it then, and none gets it.
SELECT pg_try_advisory_xact_lock(%(key)s)
