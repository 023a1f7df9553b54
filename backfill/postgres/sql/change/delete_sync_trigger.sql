-- The trigger is gone.
UPDATE backfill.job SET sync_trigger = NULL WHERE name OPERATOR(pg_catalog.=) {job}
