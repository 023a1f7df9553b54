-- How large a table is with its indexes, its partitions and children among it; nothing if it is gone.
WITH RECURSIVE tree AS (
    SELECT to_regclass(%(table)s)::oid AS oid
    UNION
    SELECT i.inhrelid FROM pg_inherits i JOIN tree t ON t.oid = i.inhparent
)
SELECT sum(pg_total_relation_size(t.oid))::bigint AS table_bytes FROM tree t WHERE t.oid IS NOT NULL
