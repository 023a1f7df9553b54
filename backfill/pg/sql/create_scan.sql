-- The first checkpoint of a job, or the one of a table that is another one now.
INSERT INTO backfill.scan (job, lane, table_oid, filenode, system_identifier, epoch, sequence, pass_number, end_page,
    window_start, window_end, stripes, stripe, next_tid, rows_pass, rows_converged_pass, rows_total, rows_unconverged,
    wal_bytes)
VALUES (%(job)s, 0, %(table_oid)s, %(filenode)s, %(system_identifier)s, %(epoch)s, %(sequence)s, %(pass_number)s,
    %(end_page)s, %(window_start)s, %(window_end)s, %(stripes)s, %(stripe)s, %(next_tid)s::tid, %(rows_pass)s,
    %(rows_converged_pass)s, %(rows_total)s, %(rows_unconverged)s, %(wal_bytes)s)
ON CONFLICT (job, lane) DO UPDATE SET
    table_oid = excluded.table_oid, filenode = excluded.filenode, system_identifier = excluded.system_identifier,
    epoch = excluded.epoch, sequence = excluded.sequence, pass_number = excluded.pass_number,
    end_page = excluded.end_page, window_start = excluded.window_start, window_end = excluded.window_end,
    stripes = excluded.stripes, stripe = excluded.stripe, next_tid = excluded.next_tid, rows_pass = excluded.rows_pass,
    rows_converged_pass = excluded.rows_converged_pass, rows_total = excluded.rows_total,
    rows_unconverged = excluded.rows_unconverged, wal_bytes = excluded.wal_bytes, updated_at = now()
WHERE scan.epoch = excluded.epoch
