-- Whether a transaction of another session is still under way.
SELECT count(*) > 0 AS running
FROM pg_catalog.pg_locks l
WHERE l.pid IS NOT DISTINCT FROM %(pid)s AND l.virtualtransaction = %(transaction)s
