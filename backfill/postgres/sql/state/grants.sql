-- The least rights of a worker's role; on each table that it fills it needs SELECT, and UPDATE of the columns it sets,
-- and for `vacuum: auto` MAINTAIN (17 and later; before, to be a member of its owner).
GRANT pg_monitor TO {role};
GRANT USAGE ON SCHEMA backfill TO {role};
GRANT SELECT, INSERT, UPDATE, DELETE
    ON backfill.job, backfill.checkpoint, backfill.batch, backfill.event, backfill.rejected, backfill.request,
        backfill.history TO {role};
