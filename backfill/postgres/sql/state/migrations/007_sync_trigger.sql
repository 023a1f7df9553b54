-- The trigger of `sync: trigger`: its name, its text by a hash, when it was made, and the writes it had not filled by then.
ALTER TABLE backfill.job ADD COLUMN sync_trigger jsonb;
