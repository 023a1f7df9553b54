-- Counts the rejected rows of a job; in the leaf at work, those of this pass.
SELECT count(*) AS rows_rejected FROM backfill.rejected
WHERE job = %(job)s AND (leaf <> %(leaf)s OR pass_number = %(pass_number)s)
