-- A job as its last worker left it.
SELECT spec, state, reason, rows_unconverged, samples, replicas_seen, timeline FROM backfill.job WHERE name = %(job)s
