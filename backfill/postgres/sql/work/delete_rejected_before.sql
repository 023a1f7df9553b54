-- Forgets rows that an earlier pass rejected and this one did not: they are filled or gone.
DELETE FROM backfill.rejected
WHERE job = %(job)s AND leaf = %(leaf)s AND pass_number < %(pass_number)s
  AND EXISTS (SELECT FROM backfill.checkpoint s WHERE s.job = %(job)s AND s.leaf = %(leaf)s AND s.epoch = %(epoch)s)
