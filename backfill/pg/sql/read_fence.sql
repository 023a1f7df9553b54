-- Whose checkpoint it is, and how many batches it has seen.
SELECT epoch, sequence FROM backfill.scan WHERE job = %(job)s AND lane = 0
