-- The file of a table as it is now, whatever snapshot the transaction has; NULL if the table is gone.
SELECT pg_catalog.pg_relation_filenode(%(table_oid)s::oid) AS filenode
