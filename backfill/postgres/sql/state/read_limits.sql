-- A job as its last worker took it over, and what was tuned since; locked, so that two who tune it do so in turn.
SELECT spec, limits, tuned, tuned_until, to_char(clock_timestamp() AT TIME ZONE 'UTC', 'YYYY-MM-DD"T"HH24:MI:SS.US') || 'Z' AS now
FROM backfill.job WHERE name = %(job)s FOR UPDATE
