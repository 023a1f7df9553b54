-- The last batches and waits of a job with what each was decided from, the newest last.
SELECT *
FROM (
    SELECT
        b.at, b.rows_wished, b.rows, b.wal_bytes, b.waited_s, b.waited_for, b.limited_by, b.inputs,
        coalesce(b.blocked_sessions, 0) AS blocked_sessions, NULL AS kind, NULL AS text
    FROM backfill.batch b
    WHERE b.job = %(job)s AND isfinite(b.at)
    UNION ALL
    SELECT e.at, NULL, NULL, NULL, NULL, NULL, NULL, NULL, 0, e.kind, e.text
    FROM backfill.event e
    WHERE e.job = %(job)s AND isfinite(e.at)
    ORDER BY at DESC
    LIMIT %(count)s
) AS newest
ORDER BY at
