-- How many sessions wait for a lock that this one holds, and who waits for those.
WITH RECURSIVE waiting AS MATERIALIZED (
    SELECT a.pid, pg_blocking_pids(a.pid) AS blockers FROM pg_stat_activity a WHERE a.wait_event_type = 'Lock'
), queue AS (
    SELECT w.pid FROM waiting w WHERE %(pid)s = ANY (w.blockers)
    UNION
    SELECT w.pid FROM waiting w JOIN queue q ON q.pid = ANY (w.blockers)
)
SELECT count(*) FROM queue
