-- What a job wrote down lately: the last 500 waits, vacuums and changes.
SELECT e.at, e.kind, e.text FROM backfill.event e WHERE e.job = %(job)s AND isfinite(e.at) ORDER BY e.at
