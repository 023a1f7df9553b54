-- The first checkpoint of a lane on a leaf, or the one of a table that is another one now.
INSERT INTO backfill.scan (job, leaf, lane, lanes, table_oid, filenode, system_identifier, epoch, sequence, pass_number,
    end_page, window_start, window_end, sizes, window_pages, layout, stripe, next_tid, rows_pass, rows_converged_pass,
    rows_total, rows_unconverged, wal_bytes)
VALUES (%(job)s, %(leaf)s, %(lane)s, %(lanes)s, %(table_oid)s, %(filenode)s, %(system_identifier)s, %(epoch)s, %(sequence)s,
    %(pass_number)s, %(end_page)s, %(window_start)s, %(window_end)s, %(sizes)s, %(window_pages)s, %(layout)s, %(stripe)s,
    %(next_tid)s::tid, %(rows_pass)s, %(rows_converged_pass)s, %(rows_total)s, %(rows_unconverged)s, %(wal_bytes)s)
ON CONFLICT (job, leaf, lane) DO UPDATE SET
    lanes = excluded.lanes, table_oid = excluded.table_oid, filenode = excluded.filenode,
    system_identifier = excluded.system_identifier, epoch = excluded.epoch, sequence = excluded.sequence,
    pass_number = excluded.pass_number, end_page = excluded.end_page, window_start = excluded.window_start,
    window_end = excluded.window_end, sizes = excluded.sizes, window_pages = excluded.window_pages,
    layout = excluded.layout, stripe = excluded.stripe, next_tid = excluded.next_tid, rows_pass = excluded.rows_pass,
    rows_converged_pass = excluded.rows_converged_pass, rows_total = excluded.rows_total,
    rows_unconverged = excluded.rows_unconverged, wal_bytes = excluded.wal_bytes, proof = NULL, updated_at = now()
WHERE scan.epoch = excluded.epoch
