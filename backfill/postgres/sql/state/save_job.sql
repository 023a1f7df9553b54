-- A worker begins: the job exists and is running from now on.
INSERT INTO backfill.job AS j (name, spec, limits, state, system_identifier, timeline, worker)
VALUES (%(job)s, %(spec)s, %(limits)s, 'running', %(system_identifier)s, %(timeline)s, %(worker)s)
ON CONFLICT (name) DO UPDATE SET
    spec = excluded.spec, limits = excluded.limits, state = 'running', reason = NULL, waits_for = NULL,
    system_identifier = excluded.system_identifier, timeline = excluded.timeline, worker = excluded.worker,
    replicas_seen = CASE
        WHEN j.system_identifier = excluded.system_identifier AND j.timeline = excluded.timeline THEN j.replicas_seen
        ELSE '[]'
    END,
    finished_at = NULL, updated_at = now()
RETURNING replicas_seen
