-- What `backfill finish` has done of a job, step by step: what, when and as which role.
ALTER TABLE backfill.job ADD COLUMN finish jsonb NOT NULL DEFAULT '{}';
COMMENT ON COLUMN backfill.job.finish IS 'steps of backfill finish by name: when one began and was done, and as which role';
