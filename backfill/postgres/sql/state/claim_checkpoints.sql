-- A worker takes over the checkpoints of a leaf: from here on batches of every earlier worker change nothing.
UPDATE backfill.scan
SET updated_at = now(), proof = NULL,
    epoch = 1 + (SELECT max(s.epoch) FROM backfill.scan s WHERE s.job = %(job)s AND s.leaf = %(leaf)s)
WHERE job = %(job)s AND leaf = %(leaf)s
RETURNING table_oid::bigint, filenode::bigint, system_identifier, leaf, lane, lanes, epoch, sequence, pass_number, end_page,
    window_start, window_end, sizes, window_pages, layout, stripe, next_tid::text, rows_pass, rows_converged_pass,
    rows_total, rows_unconverged, wal_bytes
