-- Progress counts matching rows: those that a lane has ahead of its checkpoint, as far as they were estimated.
ALTER TABLE backfill.checkpoint ADD COLUMN rows_ahead bigint;
