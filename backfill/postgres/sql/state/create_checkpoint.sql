-- The first checkpoint of a lane on a leaf, or the one of a table that is another one now.
INSERT INTO backfill.checkpoint ({created})
VALUES ({values})
ON CONFLICT (job, leaf, lane) DO UPDATE SET {replaced}, proof = NULL, updated_at = now()
WHERE checkpoint.epoch = excluded.epoch
