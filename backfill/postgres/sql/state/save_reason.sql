-- What the job waits for and its kind, or NULL; the replicas that it has seen and will miss.
UPDATE backfill.job
SET reason = %(reason)s, waits_for = %(waits_for)s, replicas_seen = %(replicas_seen)s, updated_at = now()
WHERE name = %(job)s
