-- Transactions that updated rows which match still: those rows are not updated again, also not by the next worker.
ALTER TABLE backfill.checkpoint ADD COLUMN unconverged_xids bigint[] NOT NULL DEFAULT '{}';
COMMENT ON COLUMN backfill.checkpoint.unconverged_xids IS 'the last transactions of this lane (xid8) that left rows matching where; a row whose xmin is one of them is not updated again';
