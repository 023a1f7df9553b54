-- How stripes fared in the windows before the checkpoint: the next worker does not have to learn it again.
ALTER TABLE backfill.checkpoint ADD COLUMN stripe_history jsonb NOT NULL DEFAULT '{}';
