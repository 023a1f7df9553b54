-- What all lanes have done on all leaves of a job, and the last number that a batch has.
SELECT coalesce(sum(rows_total), 0)::bigint AS rows_total, coalesce(sum(rows_unconverged), 0)::bigint AS rows_unconverged,
    coalesce(sum(wal_bytes), 0)::bigint AS wal_bytes, coalesce(max(sequence), 0) AS sequence
FROM backfill.scan
WHERE job = %(job)s
