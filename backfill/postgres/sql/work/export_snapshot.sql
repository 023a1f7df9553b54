-- A snapshot for the transactions that read the proof in pieces. The table's size is read after it was taken: the rows
-- that it sees are in these pages. This transaction is idle between two pieces, and holds no lock of a table.
SELECT
    pg_catalog.pg_export_snapshot() AS snapshot,
    pg_catalog.pg_relation_size(%(table_oid)s::oid) / pg_catalog.current_setting('block_size')::int AS pages,
    pg_catalog.set_config('idle_in_transaction_session_timeout', %(idle)s, true)
