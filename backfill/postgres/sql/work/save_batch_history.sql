-- The batch in the job's ring of 1,000, in the batch's own transaction; lanes take turns in it.
INSERT INTO backfill.batch (job, ring, leaf, sequence, lane, pass_number, stripe, first_tid, end_tid, rows_wished, rows,
    rows_unconverged, rows_hot, wal_bytes, waited_s, waited_for, limited_by, inputs, eta_low_s, eta_high_s, blocked_sessions)
SELECT j.name, (%(sequence)s * %(lanes)s + %(lane)s) %% 1000, %(leaf)s, %(sequence)s, %(lane)s,
    %(batch_pass)s, %(batch_stripe)s, %(first_tid)s::tid, %(end_tid)s::tid,
    %(rows_wished)s, %(rows)s, %(batch_unconverged)s, %(rows_hot)s,
    %(wal_bytes)s, %(waited_s)s, %(waited_for)s, %(limited_by)s, %(inputs)s, %(eta_low_s)s, %(eta_high_s)s,
    -- Who waits for our locks now, while we hold all of them, and who waits for those.
    (
        WITH RECURSIVE waiting AS MATERIALIZED (
            SELECT a.pid, pg_blocking_pids(a.pid) AS blockers FROM pg_stat_activity a WHERE a.wait_event_type = 'Lock'
        ), queue AS (
            SELECT w.pid FROM waiting w WHERE pg_backend_pid() = ANY (w.blockers)
            UNION
            SELECT w.pid FROM waiting w JOIN queue q ON q.pid = ANY (w.blockers)
        )
        SELECT count(*) FROM queue
    )
FROM backfill.job j
WHERE j.name = %(job)s -- not there if somebody deleted it: then the checkpoint did not move either, and that is the cause
ON CONFLICT (job, ring) DO UPDATE SET
    leaf = excluded.leaf, sequence = excluded.sequence, lane = excluded.lane, at = excluded.at,
    pass_number = excluded.pass_number, stripe = excluded.stripe, first_tid = excluded.first_tid, end_tid = excluded.end_tid, rows_wished = excluded.rows_wished, rows = excluded.rows,
    rows_unconverged = excluded.rows_unconverged, rows_hot = excluded.rows_hot, wal_bytes = excluded.wal_bytes,
    waited_s = excluded.waited_s, waited_for = excluded.waited_for, limited_by = excluded.limited_by,
    inputs = excluded.inputs, eta_low_s = excluded.eta_low_s, eta_high_s = excluded.eta_high_s,
    blocked_sessions = excluded.blocked_sessions
RETURNING blocked_sessions
