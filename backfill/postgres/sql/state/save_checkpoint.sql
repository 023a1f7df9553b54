-- The checkpoint moves, compare-and-swap, and only while the table's name and file are those that its addresses belong
-- to, and it is the job's table or a leaf of it: after the batch's UPDATE we hold a lock under which none of these can
-- change until we commit.
UPDATE backfill.scan
SET sequence = sequence + 1, pass_number = %(pass_number)s, end_page = %(end_page)s, window_start = %(window_start)s,
    window_end = %(window_end)s, sizes = %(sizes)s, window_pages = %(window_pages)s, layout = %(layout)s,
    stripe = %(stripe)s, next_tid = %(next_tid)s::tid, rows_pass = %(rows_pass)s,
    rows_converged_pass = %(rows_converged_pass)s, rows_total = %(rows_total)s,
    rows_unconverged = %(rows_unconverged)s, updated_at = now(), wal_bytes = wal_bytes + %(wal_bytes)s
WHERE job = %(job)s AND leaf = %(leaf)s AND lane = %(lane)s AND epoch = %(epoch)s AND sequence = %(sequence)s
  AND table_oid = to_regclass(%(leaf)s) AND filenode = pg_relation_filenode(table_oid)
  AND EXISTS (
      WITH RECURSIVE above AS (
          SELECT scan.table_oid AS oid
          UNION
          SELECT i.inhparent FROM pg_inherits i JOIN above a ON a.oid = i.inhrelid WHERE NOT i.inhdetachpending
      )
      SELECT FROM above, backfill.job j WHERE j.name = scan.job AND above.oid = to_regclass(j.spec ->> 'table')
  )
RETURNING wal_bytes
