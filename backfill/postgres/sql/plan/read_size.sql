-- A table with its indexes and what lies out of line, in bytes.
SELECT pg_total_relation_size(%(table_oid)s)
