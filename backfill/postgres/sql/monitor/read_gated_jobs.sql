-- How jobs stand that a gate waits for: their limits, the replicas they have seen, and what is proven of their leaves,
-- those included that were attached later and have rows.
SELECT
    j.name, j.state, j.spec, j.limits, j.tuned, j.tuned_until,
    to_char(clock_timestamp() AT TIME ZONE 'UTC', 'YYYY-MM-DD"T"HH24:MI:SS.US') || 'Z' AS now,
    j.replicas_seen, j.system_identifier, j.timeline,
    greatest(p.unproven, j.leaves - p.proven)::bigint AS leaves_unproven,
    l.names AS leaves_unknown,
    p.rows_left
FROM backfill.job j
CROSS JOIN LATERAL (
    SELECT
        count(*) FILTER (WHERE c.proof IS NULL) AS unproven,
        count(*) FILTER (WHERE c.proof IS NOT NULL) AS proven,
        coalesce(sum((c.proof ->> 'rows_left')::numeric), 0)::bigint AS rows_left
    FROM backfill.checkpoint c
    WHERE c.job = j.name AND c.lane = 0
) p
CROSS JOIN LATERAL (
    WITH RECURSIVE tree AS (
        SELECT c.oid
        FROM pg_class c JOIN pg_namespace n ON n.oid = c.relnamespace
        WHERE ARRAY[n.nspname, c.relname]::text[] = parse_ident(j.spec ->> 'table')
        UNION
        SELECT i.inhrelid FROM pg_inherits i JOIN tree t ON t.oid = i.inhparent WHERE NOT i.inhdetachpending
    )
    SELECT coalesce(array_agg(c.oid::regclass::text ORDER BY c.oid), '{}') AS names
    FROM tree t JOIN pg_class c ON c.oid = t.oid
    WHERE c.relkind = 'r' AND c.relpersistence <> 't'
      AND CASE
          WHEN EXISTS (SELECT FROM backfill.checkpoint k WHERE k.job = j.name AND k.table_oid = c.oid) THEN false
          ELSE pg_relation_size(c.oid) > 0  -- asked of new leaves alone: it opens their files
      END
) l
WHERE j.name = ANY (%(jobs)s)
