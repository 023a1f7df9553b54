-- The batch in the job's ring of 1,000, in the batch's own transaction.
INSERT INTO backfill.batch (job, ring, sequence, pass_number, stripe, first_tid, end_tid, rows_wished, rows,
    rows_unconverged, rows_hot, wal_bytes, waited_s, waited_for)
VALUES (%(job)s, %(sequence)s %% 1000, %(sequence)s, %(batch_pass)s, %(batch_stripe)s, %(first_tid)s::tid, %(end_tid)s::tid,
    %(rows_wished)s, %(rows)s, %(batch_unconverged)s, %(rows_hot)s,
    pg_wal_lsn_diff(pg_current_wal_insert_lsn(), %(insert_lsn_before)s::pg_lsn)::bigint, %(waited_s)s, %(waited_for)s)
ON CONFLICT (job, ring) DO UPDATE SET
    sequence = excluded.sequence, at = excluded.at, pass_number = excluded.pass_number, stripe = excluded.stripe,
    first_tid = excluded.first_tid, end_tid = excluded.end_tid, rows_wished = excluded.rows_wished, rows = excluded.rows,
    rows_unconverged = excluded.rows_unconverged, rows_hot = excluded.rows_hot, wal_bytes = excluded.wal_bytes,
    waited_s = excluded.waited_s, waited_for = excluded.waited_for
