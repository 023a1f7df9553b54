-- Forgets rows that are no longer rejected, if the checkpoint is still ours.
DELETE FROM backfill.rejected
WHERE job = %(job)s AND leaf = %(leaf)s AND key = ANY (%(keys)s)
  AND EXISTS (SELECT FROM backfill.checkpoint s WHERE s.job = %(job)s AND s.leaf = %(leaf)s AND s.epoch = %(epoch)s)
