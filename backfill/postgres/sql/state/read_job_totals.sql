-- What all lanes have done on all leaves of a job, the last number that a batch has, and its rejected rows.
SELECT coalesce(sum(rows_total), 0)::bigint AS rows_total, coalesce(sum(rows_unconverged), 0)::bigint AS rows_unconverged,
    coalesce(sum(wal_bytes), 0)::bigint AS wal_bytes, coalesce(max(sequence), 0) AS sequence,
    (SELECT count(*) FROM backfill.rejected r WHERE r.job = %(job)s) AS rows_rejected
FROM backfill.checkpoint
WHERE job = %(job)s
