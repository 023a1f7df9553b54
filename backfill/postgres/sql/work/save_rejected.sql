-- Records a rejected row, in the transaction that moves the checkpoint behind it.
INSERT INTO backfill.rejected (job, leaf, key, key_digest, tid, pass_number, sqlstate, message)
VALUES (%(job)s, %(leaf)s, %(key)s, %(key_digest)s, %(tid)s::tid, %(pass_number)s, %(sqlstate)s, %(message)s)
ON CONFLICT (job, leaf, key_digest) DO UPDATE SET
    key = excluded.key, tid = excluded.tid, pass_number = excluded.pass_number, sqlstate = excluded.sqlstate,
    message = excluded.message, at = excluded.at
