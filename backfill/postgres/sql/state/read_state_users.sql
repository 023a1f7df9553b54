-- Whether anybody but this job uses the state schema: another job in it, or a worker that may be about to begin one.
SELECT
    EXISTS (SELECT FROM backfill.job)
    OR EXISTS (
        SELECT FROM pg_stat_activity a
        WHERE a.datname = current_database()
          AND a.application_name LIKE 'backfill:%%'
          AND a.application_name NOT IN ('backfill:ask', current_setting('application_name'))
    ) AS used
