-- How the leaves ended that are done, by the file that was read.
SELECT table_oid::bigint AS oid, filenode::bigint AS filenode, system_identifier, proof
FROM backfill.checkpoint
WHERE job = %(job)s AND lane = 0 AND proof IS NOT NULL
