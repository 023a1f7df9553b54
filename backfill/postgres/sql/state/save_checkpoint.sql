-- The checkpoint moves, compare-and-swap, and only while the table's name and file are those that its addresses belong
-- to, and it is the job's table or a leaf of it: after the batch's UPDATE we hold a lock under which none of these can
-- change until we commit.
UPDATE backfill.checkpoint
SET {moved}, sequence = sequence + 1, wal_bytes = wal_bytes + %(wal_bytes)s, updated_at = now()
WHERE job = %(job)s AND leaf = %(leaf)s AND lane = %(lane)s AND epoch = %(epoch)s AND sequence = %(sequence)s
  AND table_oid = to_regclass(%(leaf)s) AND filenode = pg_relation_filenode(table_oid)
  AND EXISTS (
      WITH RECURSIVE above AS (
          SELECT checkpoint.table_oid AS oid
          UNION
          SELECT i.inhparent FROM pg_inherits i JOIN above a ON a.oid = i.inhrelid WHERE NOT i.inhdetachpending
      )
      SELECT FROM above, backfill.job j WHERE j.name = checkpoint.job AND above.oid = to_regclass(j.spec ->> 'table')
  )
RETURNING wal_bytes
