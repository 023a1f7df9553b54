-- Leaves with their indexes and what lies out of line, in bytes, and the pages of their indexes.
SELECT
    coalesce(sum(pg_total_relation_size(one.oid)), 0)::bigint AS total_bytes,
    coalesce(sum(pg_indexes_size(one.oid) / current_setting('block_size')::bigint), 0)::bigint AS index_pages
FROM unnest(%(oids)s::oid[]) AS one (oid)
