-- A pass is over: rows that an earlier one set aside and that it did not meet are filled or gone.
DELETE FROM backfill.rejected
WHERE job = %(job)s AND leaf = %(leaf)s AND pass_number < %(pass_number)s
  AND EXISTS (SELECT FROM backfill.checkpoint s WHERE s.job = %(job)s AND s.leaf = %(leaf)s AND s.epoch = %(epoch)s)
