-- A replica is missed on the server and timeline where the job has seen it: since when, and at which address.
ALTER TABLE backfill.job ADD COLUMN system_identifier bigint;
UPDATE backfill.job j
SET system_identifier = (SELECT max(c.system_identifier) FROM backfill.checkpoint c WHERE c.job = j.name);
ALTER TABLE backfill.job ALTER COLUMN replicas_seen DROP DEFAULT;
ALTER TABLE backfill.job ALTER COLUMN replicas_seen TYPE jsonb USING to_jsonb(replicas_seen);
ALTER TABLE backfill.job ALTER COLUMN replicas_seen SET DEFAULT '[]';
UPDATE backfill.job
SET replicas_seen = coalesce(
    (SELECT jsonb_agg(jsonb_build_object('name', s.name, 'application_name', split_part(s.name, '@', 1)))
     FROM jsonb_array_elements_text(replicas_seen) AS s (name)),
    '[]'
);
