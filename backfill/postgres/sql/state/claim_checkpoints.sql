-- A worker takes over the checkpoints of a leaf: from here on batches of every earlier worker change nothing.
UPDATE backfill.checkpoint
SET updated_at = now(), proof = NULL,
    epoch = 1 + (SELECT max(c.epoch) FROM backfill.checkpoint c WHERE c.job = %(job)s AND c.leaf = %(leaf)s)
WHERE job = %(job)s AND leaf = %(leaf)s
RETURNING table_oid::bigint, filenode::bigint, system_identifier, {columns}
