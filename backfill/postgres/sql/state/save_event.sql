-- One more event in the job's ring of 500; none if the job was deleted, so that the cause is found where batches stop.
INSERT INTO backfill.event AS e (job, ring, kind, text)
SELECT j.name, coalesce((SELECT (ring + 1) %% 500 FROM backfill.event WHERE job = %(job)s ORDER BY at DESC LIMIT 1), 0),
    %(kind)s, %(text)s
FROM backfill.job j
WHERE j.name = %(job)s
ON CONFLICT (job, ring) DO UPDATE SET at = excluded.at, kind = excluded.kind, text = excluded.text
