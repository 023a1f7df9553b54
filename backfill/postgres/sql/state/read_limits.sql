-- A job as its last worker took it over, and what was tuned since; locked, so that two who tune it do so in turn.
SELECT spec, limits, tuned FROM backfill.job WHERE name = %(job)s FOR UPDATE
