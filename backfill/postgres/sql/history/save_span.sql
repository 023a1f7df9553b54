-- What a job did lately, added to the row of this minute and to that of this hour; a ring keeps a day of minutes and a
-- year of hours. Seconds of waits are summed by kind, of each signal the worst value is kept, with its last limit.
INSERT INTO backfill.history AS h (
    job, span_s, ring, at, batches, rows, rows_hot, wal_bytes, batch_rows_max, waits, signals
)
SELECT
    j.name, s.span_s, (s.number %% s.kept)::integer, to_timestamp(s.number * s.span_s), %(batches)s, %(rows)s, %(rows_hot)s,
    %(wal_bytes)s, %(batch_rows_max)s, %(waits)s, %(signals)s
FROM backfill.job j
CROSS JOIN (
    SELECT v.span_s, v.kept, floor(extract(epoch FROM statement_timestamp()) / v.span_s)::bigint AS number
    FROM (VALUES (60, 1440), (3600, 8784)) AS v (span_s, kept)
) s
WHERE j.name = %(job)s
ON CONFLICT (job, span_s, ring) DO UPDATE SET
    at = excluded.at,
    batches = excluded.batches + CASE WHEN h.at = excluded.at THEN h.batches ELSE 0 END,
    rows = excluded.rows + CASE WHEN h.at = excluded.at THEN h.rows ELSE 0 END,
    rows_hot = excluded.rows_hot + CASE WHEN h.at = excluded.at THEN h.rows_hot ELSE 0 END,
    wal_bytes = excluded.wal_bytes + CASE WHEN h.at = excluded.at THEN h.wal_bytes ELSE 0 END,
    batch_rows_max = greatest(excluded.batch_rows_max, CASE WHEN h.at = excluded.at THEN h.batch_rows_max END),
    waits = CASE WHEN h.at = excluded.at THEN (
        SELECT coalesce(jsonb_object_agg(w.kind, w.wait_s), '{}')
        FROM (
            SELECT e.key AS kind, sum(e.value::text::float8) AS wait_s
            FROM (VALUES (h.waits), (excluded.waits)) AS v (waits), jsonb_each(v.waits) e
            GROUP BY e.key
        ) w
    ) ELSE excluded.waits END,
    signals = CASE WHEN h.at = excluded.at THEN (
        SELECT coalesce(jsonb_object_agg(m.measure, m.subjects), '{}')
        FROM (
            SELECT r.measure, jsonb_object_agg(r.subject, r.worst) AS subjects
            FROM (
                SELECT
                    m.key AS measure, s.key AS subject,
                    jsonb_build_array(
                        max((s.value ->> 0)::float8), (array_agg(s.value -> 1 ORDER BY v.number DESC))[1],
                        bool_or((s.value ->> 2)::boolean)
                    ) AS worst
                FROM (VALUES (1, h.signals), (2, excluded.signals)) AS v (number, signals),
                    jsonb_each(v.signals) m, jsonb_each(m.value) s
                GROUP BY m.key, s.key
            ) r
            GROUP BY r.measure
        ) m
    ) ELSE excluded.signals END
