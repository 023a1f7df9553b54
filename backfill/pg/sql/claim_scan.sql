-- A worker takes over the checkpoint: from here on batches of every earlier worker change nothing.
UPDATE backfill.scan SET epoch = epoch + 1, updated_at = now()
WHERE job = %(job)s AND lane = 0
RETURNING table_oid::bigint, filenode::bigint, system_identifier, epoch, sequence, pass_number, end_page, window_start, window_end,
    stripes, stripe, next_tid::text, rows_pass, rows_converged_pass, rows_total, rows_unconverged, wal_bytes
