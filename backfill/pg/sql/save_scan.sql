-- The checkpoint moves, compare-and-swap, and only while the table's name and file are those that its addresses belong
-- to: after the batch's UPDATE we hold a lock under which neither can change until we commit.
UPDATE backfill.scan
SET sequence = sequence + 1, pass_number = %(pass_number)s, end_page = %(end_page)s, window_start = %(window_start)s,
    window_end = %(window_end)s, sizes = %(sizes)s, window_pages = %(window_pages)s, layout = %(layout)s,
    stripe = %(stripe)s, next_tid = %(next_tid)s::tid, rows_pass = %(rows_pass)s,
    rows_converged_pass = %(rows_converged_pass)s, rows_total = %(rows_total)s,
    rows_unconverged = %(rows_unconverged)s, updated_at = now(), wal_bytes = wal_bytes + %(wal_bytes)s
WHERE job = %(job)s AND leaf = %(leaf)s AND lane = %(lane)s AND epoch = %(epoch)s AND sequence = %(sequence)s
  AND table_oid = to_regclass(%(leaf)s) AND filenode = pg_relation_filenode(table_oid)
RETURNING wal_bytes
