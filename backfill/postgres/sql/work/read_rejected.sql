-- The rows of a leaf that are set aside.
SELECT key, tid::text AS tid, pass_number, message
FROM backfill.rejected
WHERE job = %(job)s AND leaf = %(leaf)s
ORDER BY rejected.tid
