-- How each table of a job was verified; one that is not yet has no proof.
SELECT k.leaf, max(k.updated_at) AS at, (array_agg(k.proof ORDER BY k.lane))[1] AS proof
FROM backfill.checkpoint k
WHERE k.job = %(job)s AND isfinite(k.updated_at)
GROUP BY k.leaf
ORDER BY k.leaf
LIMIT 500
