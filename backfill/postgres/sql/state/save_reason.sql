-- What the job waits for, or NULL; the replicas that it has seen and will miss.
UPDATE backfill.job
SET reason = %(reason)s, replicas_seen = %(replicas_seen)s, updated_at = now()
WHERE name = %(job)s
