-- How jobs stand that a gate waits for: their limits, the replicas they have seen, and what is proven of their leaves.
SELECT
    j.name, j.state, j.spec, j.limits, j.tuned, j.tuned_until,
    to_char(clock_timestamp() AT TIME ZONE 'UTC', 'YYYY-MM-DD"T"HH24:MI:SS.US') || 'Z' AS now,
    j.replicas_seen, j.system_identifier, j.timeline,
    greatest(p.unproven, j.leaves - p.proven)::bigint AS leaves_unproven,
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
WHERE j.name = ANY (%(jobs)s)
