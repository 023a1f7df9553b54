-- Whose checkpoint it is, and how many batches it has seen.
SELECT epoch, sequence FROM backfill.checkpoint WHERE job = %(job)s AND leaf = %(leaf)s AND lane = %(lane)s
