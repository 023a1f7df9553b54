-- One more event in the job's ring of 500.
INSERT INTO backfill.event AS e (job, ring, kind, text)
SELECT %(job)s, coalesce((SELECT (ring + 1) %% 500 FROM backfill.event WHERE job = %(job)s ORDER BY at DESC LIMIT 1), 0),
    %(kind)s, %(text)s
ON CONFLICT (job, ring) DO UPDATE SET at = excluded.at, kind = excluded.kind, text = excluded.text
