-- A leaf starts again with fewer lanes: the checkpoints of the others go, where they are still ours.
DELETE FROM backfill.checkpoint
WHERE job = %(job)s AND leaf = %(leaf)s AND lane >= %(lanes)s AND epoch = %(epoch)s
