-- How many rows of a job are set aside; of the leaf at work those that this pass has met.
SELECT count(*) AS rows_rejected FROM backfill.rejected
WHERE job = %(job)s AND (leaf <> %(leaf)s OR pass_number = %(pass_number)s)
