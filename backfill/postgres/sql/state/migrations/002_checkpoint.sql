-- The checkpoint has a table of its own name. A rejected row is known by a digest that the worker writes: a publication
-- on PostgreSQL 18 refuses UPDATE and DELETE of a table with a generated column in its key.
ALTER TABLE backfill.scan RENAME TO checkpoint;
ALTER TABLE backfill.checkpoint RENAME CONSTRAINT scan_pkey TO checkpoint_pkey;
ALTER TABLE backfill.checkpoint RENAME CONSTRAINT scan_job_fkey TO checkpoint_job_fkey;
COMMENT ON TABLE backfill.checkpoint IS 'a row for each leaf table and lane: written in the transaction of each batch, compare-and-swap on epoch and sequence; proof is how a leaf ended that is done';

ALTER TABLE backfill.rejected ALTER COLUMN key_hash DROP EXPRESSION;
ALTER TABLE backfill.rejected ALTER COLUMN key_hash TYPE bytea USING sha256(
    convert_to(key, CASE getdatabaseencoding() WHEN 'SQL_ASCII' THEN 'SQL_ASCII' ELSE 'UTF8' END)
);
ALTER TABLE backfill.rejected RENAME COLUMN key_hash TO key_digest;
COMMENT ON TABLE backfill.rejected IS 'rows that the server rejected and the job left out (on_row_error: skip): by their key, or by their address if the table has none; key_digest is the SHA-256 of the key; they still match where';
