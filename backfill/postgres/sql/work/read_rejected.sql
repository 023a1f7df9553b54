-- The rejected rows of a leaf.
SELECT key, tid::text AS tid, pass_number, message
FROM backfill.rejected
WHERE job = %(job)s AND leaf = %(leaf)s
ORDER BY rejected.tid
