-- The history of a job, by the minute or by the hour.
SELECT h.at, h.batches, h.rows, h.rows_hot, h.wal_bytes, h.batch_rows_max, h.waits, h.signals
FROM backfill.history h
WHERE h.job = %(job)s AND h.span_s = %(span_s)s AND isfinite(h.at)
ORDER BY h.at
