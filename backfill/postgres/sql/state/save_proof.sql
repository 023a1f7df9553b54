-- A leaf is done: how the read ended that proved it, in the checkpoint of each lane.
UPDATE backfill.checkpoint SET proof = %(proof)s, updated_at = now() WHERE job = %(job)s AND leaf = %(leaf)s AND epoch = %(epoch)s
