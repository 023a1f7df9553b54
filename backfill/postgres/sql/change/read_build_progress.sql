-- How far a CREATE INDEX CONCURRENTLY is: its phase, blocks or tuples, and how many transactions it still waits for.
SELECT p.phase, p.blocks_done, p.blocks_total, p.tuples_done, p.tuples_total, p.lockers_done, p.lockers_total
FROM pg_catalog.pg_stat_progress_create_index p
WHERE p.pid = %(pid)s
