-- The two locks of a job: its name (one worker a job), then its table (one job a table); NULL when both are ours,
-- else the key that another session holds; and who took them. Taken again by their holder they only count up; they
-- end with the session.
SELECT
    CASE
        WHEN NOT pg_try_advisory_lock(%(job_key)s) THEN %(job_key)s::bigint
        WHEN NOT pg_try_advisory_lock(%(table_key)s) THEN %(table_key)s::bigint
    END AS held_key,
    pg_backend_pid() AS pid
