-- The file of a table as it is now, whatever snapshot the transaction has, and its pages; NULL if the table is gone.
SELECT
    pg_catalog.pg_relation_filenode(%(table_oid)s::oid) AS filenode,
    pg_catalog.pg_relation_size(%(table_oid)s::oid) / pg_catalog.current_setting('block_size')::int AS pages
