-- profile
SELECT pg_catalog.count(*) AS rows, pg_catalog.count(*) FILTER (WHERE (
tags IS NULL
)) AS due,
pg_catalog.avg(24 OPERATOR(pg_catalog.+) CASE WHEN pg_catalog.pg_column_size("users"."id") OPERATOR(pg_catalog.>) 2000 THEN 18 ELSE coalesce(pg_catalog.pg_column_size("users"."id"), 0) END OPERATOR(pg_catalog.+) CASE WHEN pg_catalog.pg_column_size("users"."username") OPERATOR(pg_catalog.>) 2000 THEN 18 ELSE coalesce(pg_catalog.pg_column_size("users"."username"), 0) END OPERATOR(pg_catalog.+) CASE WHEN pg_catalog.pg_column_size("users"."handle") OPERATOR(pg_catalog.>) 2000 THEN 18 ELSE coalesce(pg_catalog.pg_column_size("users"."handle"), 0) END OPERATOR(pg_catalog.+) CASE WHEN pg_catalog.pg_column_size("users"."tags") OPERATOR(pg_catalog.>) 2000 THEN 18 ELSE coalesce(pg_catalog.pg_column_size("users"."tags"), 0) END OPERATOR(pg_catalog.+) CASE WHEN pg_catalog.pg_column_size("users"."docs") OPERATOR(pg_catalog.>) 2000 THEN 18 ELSE coalesce(pg_catalog.pg_column_size("users"."docs"), 0) END) AS row_bytes,
NULL::numeric AS grown_bytes
FROM ONLY "public"."users"
WHERE "users".ctid OPERATOR(pg_catalog.>=) %(low)s::pg_catalog.tid AND "users".ctid OPERATOR(pg_catalog.<) %(high)s::pg_catalog.tid

-- row_sample
SELECT (SELECT pg_catalog.count(*) FROM ONLY "public"."users"
WHERE "users".ctid OPERATOR(pg_catalog.>=) %(low)s::pg_catalog.tid AND "users".ctid OPERATOR(pg_catalog.<) %(high)s::pg_catalog.tid) AS rows,
(SELECT pg_catalog.count(*) FROM ONLY "public"."users"
WHERE "users".ctid OPERATOR(pg_catalog.>=) %(low)s::pg_catalog.tid AND "users".ctid OPERATOR(pg_catalog.<) %(high)s::pg_catalog.tid AND (
tags IS NULL
)) AS due

-- count, first pass
SELECT pg_catalog.width_bucket("users".ctid, %(bounds)s::pg_catalog.tid[]) OPERATOR(pg_catalog.-) 1 AS slice,
(%(stripes)s::pg_catalog.int2[])[1 OPERATOR(pg_catalog.+) (pg_catalog.get_byte(pg_catalog.tidsend("users".ctid), 5) OPERATOR(pg_catalog.&) 63)] AS stripe, pg_catalog.count(*) AS rows
FROM ONLY "public"."users"
WHERE "users".ctid OPERATOR(pg_catalog.>=) %(low)s::pg_catalog.tid AND "users".ctid OPERATOR(pg_catalog.<) %(high)s::pg_catalog.tid AND (
tags IS NULL
)
GROUP BY 1, 2

-- count, later pass
SELECT pg_catalog.width_bucket("users".ctid, %(bounds)s::pg_catalog.tid[]) OPERATOR(pg_catalog.-) 1 AS slice,
(%(stripes)s::pg_catalog.int2[])[1 OPERATOR(pg_catalog.+) (pg_catalog.get_byte(pg_catalog.tidsend("users".ctid), 5) OPERATOR(pg_catalog.&) 63)] AS stripe, pg_catalog.count(*) AS rows
FROM ONLY "public"."users"
WHERE "users".ctid OPERATOR(pg_catalog.>=) %(low)s::pg_catalog.tid AND "users".ctid OPERATOR(pg_catalog.<) %(high)s::pg_catalog.tid AND (
tags IS NULL
)
GROUP BY 1, 2

-- find, stripe, first pass
SELECT "users".ctid::pg_catalog.text
FROM ONLY "public"."users"
WHERE "users".ctid OPERATOR(pg_catalog.>=) %(low)s::pg_catalog.tid AND "users".ctid OPERATOR(pg_catalog.<) %(high)s::pg_catalog.tid AND (%(mask)s::pg_catalog.int8 OPERATOR(pg_catalog.>>) (pg_catalog.get_byte(pg_catalog.tidsend("users".ctid), 5) OPERATOR(pg_catalog.&) 63)) OPERATOR(pg_catalog.&) 1 OPERATOR(pg_catalog.=) 1 AND (
tags IS NULL
)
ORDER BY "users".ctid
LIMIT 8193

-- find, stripe, later pass
SELECT "users".ctid::pg_catalog.text
FROM ONLY "public"."users"
WHERE "users".ctid OPERATOR(pg_catalog.>=) %(low)s::pg_catalog.tid AND "users".ctid OPERATOR(pg_catalog.<) %(high)s::pg_catalog.tid AND (%(mask)s::pg_catalog.int8 OPERATOR(pg_catalog.>>) (pg_catalog.get_byte(pg_catalog.tidsend("users".ctid), 5) OPERATOR(pg_catalog.&) 63)) OPERATOR(pg_catalog.&) 1 OPERATOR(pg_catalog.=) 1 AND (
tags IS NULL
)
ORDER BY "users".ctid
LIMIT 8193

-- find, last stripe, first pass
SELECT "users".ctid::pg_catalog.text
FROM ONLY "public"."users"
WHERE "users".ctid OPERATOR(pg_catalog.>=) %(low)s::pg_catalog.tid AND "users".ctid OPERATOR(pg_catalog.<) %(high)s::pg_catalog.tid AND (
tags IS NULL
)
ORDER BY "users".ctid
LIMIT 8193

-- find, last stripe, later pass
SELECT "users".ctid::pg_catalog.text
FROM ONLY "public"."users"
WHERE "users".ctid OPERATOR(pg_catalog.>=) %(low)s::pg_catalog.tid AND "users".ctid OPERATOR(pg_catalog.<) %(high)s::pg_catalog.tid AND (
tags IS NULL
)
ORDER BY "users".ctid
LIMIT 8193

-- update, stripe, first pass
WITH filled AS (
UPDATE ONLY "public"."users" SET "tags" = (SELECT "backfill_array"::pg_catalog.text[] FROM pg_catalog.json_to_record(pg_catalog.json_build_object('backfill_array', "backfill_0"::pg_catalog.json)) AS "backfill_row"("backfill_array" pg_catalog.text[])), "docs" = (SELECT "backfill_array"::pg_catalog.jsonb[] FROM pg_catalog.json_to_record(pg_catalog.json_build_object('backfill_array', "backfill_1"::pg_catalog.json)) AS "backfill_row"("backfill_array" pg_catalog.text[]))
FROM ROWS FROM (pg_catalog.unnest(%(tids)s::pg_catalog.tid[]), pg_catalog.unnest(%(xmins)s::pg_catalog.xid[]), pg_catalog.unnest(%(out_0)s::pg_catalog.text[]), pg_catalog.unnest(%(out_1)s::pg_catalog.text[])) AS "backfill"("backfill_tid", "backfill_xmin", "backfill_0", "backfill_1")
WHERE "users".ctid OPERATOR(pg_catalog.=) "backfill_tid" AND "users".xmin OPERATOR(pg_catalog.=) "backfill_xmin" AND "users".ctid OPERATOR(pg_catalog.>=) %(low)s::pg_catalog.tid AND "users".ctid OPERATOR(pg_catalog.<) %(high)s::pg_catalog.tid AND (%(mask)s::pg_catalog.int8 OPERATOR(pg_catalog.>>) (pg_catalog.get_byte(pg_catalog.tidsend("users".ctid), 5) OPERATOR(pg_catalog.&) 63)) OPERATOR(pg_catalog.&) 1 OPERATOR(pg_catalog.=) 1 AND (
tags IS NULL
)
RETURNING CASE WHEN (
tags IS NULL
) THEN (pg_catalog.jsonb_build_object('id', "users"."id"))::pg_catalog.text END AS unconverged, "users".ctid AS tid
)
SELECT pg_catalog.count(*) AS rows, pg_catalog.count(unconverged) AS rows_unconverged,
(pg_catalog.array_agg(unconverged) FILTER (WHERE unconverged IS NOT NULL))[:5] AS samples,
pg_catalog.array_agg(tid::pg_catalog.text) FILTER (WHERE unconverged IS NOT NULL) AS tids
FROM filled

-- update, last stripe, first pass
WITH filled AS (
UPDATE ONLY "public"."users" SET "tags" = (SELECT "backfill_array"::pg_catalog.text[] FROM pg_catalog.json_to_record(pg_catalog.json_build_object('backfill_array', "backfill_0"::pg_catalog.json)) AS "backfill_row"("backfill_array" pg_catalog.text[])), "docs" = (SELECT "backfill_array"::pg_catalog.jsonb[] FROM pg_catalog.json_to_record(pg_catalog.json_build_object('backfill_array', "backfill_1"::pg_catalog.json)) AS "backfill_row"("backfill_array" pg_catalog.text[]))
FROM ROWS FROM (pg_catalog.unnest(%(tids)s::pg_catalog.tid[]), pg_catalog.unnest(%(xmins)s::pg_catalog.xid[]), pg_catalog.unnest(%(out_0)s::pg_catalog.text[]), pg_catalog.unnest(%(out_1)s::pg_catalog.text[])) AS "backfill"("backfill_tid", "backfill_xmin", "backfill_0", "backfill_1")
WHERE "users".ctid OPERATOR(pg_catalog.=) "backfill_tid" AND "users".xmin OPERATOR(pg_catalog.=) "backfill_xmin" AND "users".ctid OPERATOR(pg_catalog.>=) %(low)s::pg_catalog.tid AND "users".ctid OPERATOR(pg_catalog.<) %(high)s::pg_catalog.tid AND (
tags IS NULL
)
RETURNING CASE WHEN (
tags IS NULL
) THEN (pg_catalog.jsonb_build_object('id', "users"."id"))::pg_catalog.text END AS unconverged, "users".ctid AS tid
)
SELECT pg_catalog.count(*) AS rows, pg_catalog.count(unconverged) AS rows_unconverged,
(pg_catalog.array_agg(unconverged) FILTER (WHERE unconverged IS NOT NULL))[:5] AS samples,
pg_catalog.array_agg(tid::pg_catalog.text) FILTER (WHERE unconverged IS NOT NULL) AS tids
FROM filled

-- update, addresses, first pass
WITH filled AS (
UPDATE ONLY "public"."users" SET "tags" = (SELECT "backfill_array"::pg_catalog.text[] FROM pg_catalog.json_to_record(pg_catalog.json_build_object('backfill_array', "backfill_0"::pg_catalog.json)) AS "backfill_row"("backfill_array" pg_catalog.text[])), "docs" = (SELECT "backfill_array"::pg_catalog.jsonb[] FROM pg_catalog.json_to_record(pg_catalog.json_build_object('backfill_array', "backfill_1"::pg_catalog.json)) AS "backfill_row"("backfill_array" pg_catalog.text[]))
FROM ROWS FROM (pg_catalog.unnest(%(tids)s::pg_catalog.tid[]), pg_catalog.unnest(%(xmins)s::pg_catalog.xid[]), pg_catalog.unnest(%(out_0)s::pg_catalog.text[]), pg_catalog.unnest(%(out_1)s::pg_catalog.text[])) AS "backfill"("backfill_tid", "backfill_xmin", "backfill_0", "backfill_1")
WHERE "users".ctid OPERATOR(pg_catalog.=) "backfill_tid" AND "users".xmin OPERATOR(pg_catalog.=) "backfill_xmin" AND "users".ctid OPERATOR(pg_catalog.=) ANY (%(tids)s::pg_catalog.tid[]) AND (
tags IS NULL
)
RETURNING CASE WHEN (
tags IS NULL
) THEN (pg_catalog.jsonb_build_object('id', "users"."id"))::pg_catalog.text END AS unconverged, "users".ctid AS tid
)
SELECT pg_catalog.count(*) AS rows, pg_catalog.count(unconverged) AS rows_unconverged,
(pg_catalog.array_agg(unconverged) FILTER (WHERE unconverged IS NOT NULL))[:5] AS samples,
pg_catalog.array_agg(tid::pg_catalog.text) FILTER (WHERE unconverged IS NOT NULL) AS tids
FROM filled

-- update, stripe, later pass
WITH filled AS (
UPDATE ONLY "public"."users" SET "tags" = (SELECT "backfill_array"::pg_catalog.text[] FROM pg_catalog.json_to_record(pg_catalog.json_build_object('backfill_array', "backfill_0"::pg_catalog.json)) AS "backfill_row"("backfill_array" pg_catalog.text[])), "docs" = (SELECT "backfill_array"::pg_catalog.jsonb[] FROM pg_catalog.json_to_record(pg_catalog.json_build_object('backfill_array', "backfill_1"::pg_catalog.json)) AS "backfill_row"("backfill_array" pg_catalog.text[]))
FROM ROWS FROM (pg_catalog.unnest(%(tids)s::pg_catalog.tid[]), pg_catalog.unnest(%(xmins)s::pg_catalog.xid[]), pg_catalog.unnest(%(out_0)s::pg_catalog.text[]), pg_catalog.unnest(%(out_1)s::pg_catalog.text[])) AS "backfill"("backfill_tid", "backfill_xmin", "backfill_0", "backfill_1")
WHERE "users".ctid OPERATOR(pg_catalog.=) "backfill_tid" AND "users".xmin OPERATOR(pg_catalog.=) "backfill_xmin" AND "users".ctid OPERATOR(pg_catalog.>=) %(low)s::pg_catalog.tid AND "users".ctid OPERATOR(pg_catalog.<) %(high)s::pg_catalog.tid AND (%(mask)s::pg_catalog.int8 OPERATOR(pg_catalog.>>) (pg_catalog.get_byte(pg_catalog.tidsend("users".ctid), 5) OPERATOR(pg_catalog.&) 63)) OPERATOR(pg_catalog.&) 1 OPERATOR(pg_catalog.=) 1 AND (
tags IS NULL
)
RETURNING CASE WHEN (
tags IS NULL
) THEN (pg_catalog.jsonb_build_object('id', "users"."id"))::pg_catalog.text END AS unconverged, "users".ctid AS tid
)
SELECT pg_catalog.count(*) AS rows, pg_catalog.count(unconverged) AS rows_unconverged,
(pg_catalog.array_agg(unconverged) FILTER (WHERE unconverged IS NOT NULL))[:5] AS samples,
pg_catalog.array_agg(tid::pg_catalog.text) FILTER (WHERE unconverged IS NOT NULL) AS tids
FROM filled

-- update, last stripe, later pass
WITH filled AS (
UPDATE ONLY "public"."users" SET "tags" = (SELECT "backfill_array"::pg_catalog.text[] FROM pg_catalog.json_to_record(pg_catalog.json_build_object('backfill_array', "backfill_0"::pg_catalog.json)) AS "backfill_row"("backfill_array" pg_catalog.text[])), "docs" = (SELECT "backfill_array"::pg_catalog.jsonb[] FROM pg_catalog.json_to_record(pg_catalog.json_build_object('backfill_array', "backfill_1"::pg_catalog.json)) AS "backfill_row"("backfill_array" pg_catalog.text[]))
FROM ROWS FROM (pg_catalog.unnest(%(tids)s::pg_catalog.tid[]), pg_catalog.unnest(%(xmins)s::pg_catalog.xid[]), pg_catalog.unnest(%(out_0)s::pg_catalog.text[]), pg_catalog.unnest(%(out_1)s::pg_catalog.text[])) AS "backfill"("backfill_tid", "backfill_xmin", "backfill_0", "backfill_1")
WHERE "users".ctid OPERATOR(pg_catalog.=) "backfill_tid" AND "users".xmin OPERATOR(pg_catalog.=) "backfill_xmin" AND "users".ctid OPERATOR(pg_catalog.>=) %(low)s::pg_catalog.tid AND "users".ctid OPERATOR(pg_catalog.<) %(high)s::pg_catalog.tid AND (
tags IS NULL
)
RETURNING CASE WHEN (
tags IS NULL
) THEN (pg_catalog.jsonb_build_object('id', "users"."id"))::pg_catalog.text END AS unconverged, "users".ctid AS tid
)
SELECT pg_catalog.count(*) AS rows, pg_catalog.count(unconverged) AS rows_unconverged,
(pg_catalog.array_agg(unconverged) FILTER (WHERE unconverged IS NOT NULL))[:5] AS samples,
pg_catalog.array_agg(tid::pg_catalog.text) FILTER (WHERE unconverged IS NOT NULL) AS tids
FROM filled

-- update, addresses, later pass
WITH filled AS (
UPDATE ONLY "public"."users" SET "tags" = (SELECT "backfill_array"::pg_catalog.text[] FROM pg_catalog.json_to_record(pg_catalog.json_build_object('backfill_array', "backfill_0"::pg_catalog.json)) AS "backfill_row"("backfill_array" pg_catalog.text[])), "docs" = (SELECT "backfill_array"::pg_catalog.jsonb[] FROM pg_catalog.json_to_record(pg_catalog.json_build_object('backfill_array', "backfill_1"::pg_catalog.json)) AS "backfill_row"("backfill_array" pg_catalog.text[]))
FROM ROWS FROM (pg_catalog.unnest(%(tids)s::pg_catalog.tid[]), pg_catalog.unnest(%(xmins)s::pg_catalog.xid[]), pg_catalog.unnest(%(out_0)s::pg_catalog.text[]), pg_catalog.unnest(%(out_1)s::pg_catalog.text[])) AS "backfill"("backfill_tid", "backfill_xmin", "backfill_0", "backfill_1")
WHERE "users".ctid OPERATOR(pg_catalog.=) "backfill_tid" AND "users".xmin OPERATOR(pg_catalog.=) "backfill_xmin" AND "users".ctid OPERATOR(pg_catalog.=) ANY (%(tids)s::pg_catalog.tid[]) AND (
tags IS NULL
)
RETURNING CASE WHEN (
tags IS NULL
) THEN (pg_catalog.jsonb_build_object('id', "users"."id"))::pg_catalog.text END AS unconverged, "users".ctid AS tid
)
SELECT pg_catalog.count(*) AS rows, pg_catalog.count(unconverged) AS rows_unconverged,
(pg_catalog.array_agg(unconverged) FILTER (WHERE unconverged IS NOT NULL))[:5] AS samples,
pg_catalog.array_agg(tid::pg_catalog.text) FILTER (WHERE unconverged IS NOT NULL) AS tids
FROM filled

-- update alone, stripe
UPDATE ONLY "public"."users" SET "tags" = (SELECT "backfill_array"::pg_catalog.text[] FROM pg_catalog.json_to_record(pg_catalog.json_build_object('backfill_array', "backfill_0"::pg_catalog.json)) AS "backfill_row"("backfill_array" pg_catalog.text[])), "docs" = (SELECT "backfill_array"::pg_catalog.jsonb[] FROM pg_catalog.json_to_record(pg_catalog.json_build_object('backfill_array', "backfill_1"::pg_catalog.json)) AS "backfill_row"("backfill_array" pg_catalog.text[]))
FROM ROWS FROM (pg_catalog.unnest(%(tids)s::pg_catalog.tid[]), pg_catalog.unnest(%(xmins)s::pg_catalog.xid[]), pg_catalog.unnest(%(out_0)s::pg_catalog.text[]), pg_catalog.unnest(%(out_1)s::pg_catalog.text[])) AS "backfill"("backfill_tid", "backfill_xmin", "backfill_0", "backfill_1")
WHERE "users".ctid OPERATOR(pg_catalog.=) "backfill_tid" AND "users".xmin OPERATOR(pg_catalog.=) "backfill_xmin" AND "users".ctid OPERATOR(pg_catalog.>=) %(low)s::pg_catalog.tid AND "users".ctid OPERATOR(pg_catalog.<) %(high)s::pg_catalog.tid AND (%(mask)s::pg_catalog.int8 OPERATOR(pg_catalog.>>) (pg_catalog.get_byte(pg_catalog.tidsend("users".ctid), 5) OPERATOR(pg_catalog.&) 63)) OPERATOR(pg_catalog.&) 1 OPERATOR(pg_catalog.=) 1 AND (
tags IS NULL
)

-- update alone, last stripe
UPDATE ONLY "public"."users" SET "tags" = (SELECT "backfill_array"::pg_catalog.text[] FROM pg_catalog.json_to_record(pg_catalog.json_build_object('backfill_array', "backfill_0"::pg_catalog.json)) AS "backfill_row"("backfill_array" pg_catalog.text[])), "docs" = (SELECT "backfill_array"::pg_catalog.jsonb[] FROM pg_catalog.json_to_record(pg_catalog.json_build_object('backfill_array', "backfill_1"::pg_catalog.json)) AS "backfill_row"("backfill_array" pg_catalog.text[]))
FROM ROWS FROM (pg_catalog.unnest(%(tids)s::pg_catalog.tid[]), pg_catalog.unnest(%(xmins)s::pg_catalog.xid[]), pg_catalog.unnest(%(out_0)s::pg_catalog.text[]), pg_catalog.unnest(%(out_1)s::pg_catalog.text[])) AS "backfill"("backfill_tid", "backfill_xmin", "backfill_0", "backfill_1")
WHERE "users".ctid OPERATOR(pg_catalog.=) "backfill_tid" AND "users".xmin OPERATOR(pg_catalog.=) "backfill_xmin" AND "users".ctid OPERATOR(pg_catalog.>=) %(low)s::pg_catalog.tid AND "users".ctid OPERATOR(pg_catalog.<) %(high)s::pg_catalog.tid AND (
tags IS NULL
)

-- update alone, addresses
UPDATE ONLY "public"."users" SET "tags" = (SELECT "backfill_array"::pg_catalog.text[] FROM pg_catalog.json_to_record(pg_catalog.json_build_object('backfill_array', "backfill_0"::pg_catalog.json)) AS "backfill_row"("backfill_array" pg_catalog.text[])), "docs" = (SELECT "backfill_array"::pg_catalog.jsonb[] FROM pg_catalog.json_to_record(pg_catalog.json_build_object('backfill_array', "backfill_1"::pg_catalog.json)) AS "backfill_row"("backfill_array" pg_catalog.text[]))
FROM ROWS FROM (pg_catalog.unnest(%(tids)s::pg_catalog.tid[]), pg_catalog.unnest(%(xmins)s::pg_catalog.xid[]), pg_catalog.unnest(%(out_0)s::pg_catalog.text[]), pg_catalog.unnest(%(out_1)s::pg_catalog.text[])) AS "backfill"("backfill_tid", "backfill_xmin", "backfill_0", "backfill_1")
WHERE "users".ctid OPERATOR(pg_catalog.=) "backfill_tid" AND "users".xmin OPERATOR(pg_catalog.=) "backfill_xmin" AND "users".ctid OPERATOR(pg_catalog.=) ANY (%(tids)s::pg_catalog.tid[]) AND (
tags IS NULL
)

-- verify
SELECT found.rows_left, found.rows_rejected, found.rows_unconverged, 0 AS rows_without_partner,
ARRAY(SELECT (pg_catalog.jsonb_build_object('id', "sampled"."id"))::pg_catalog.text FROM ONLY "public"."users" AS sampled
WHERE sampled.ctid OPERATOR(pg_catalog.=) ANY (found.tids) LIMIT 5) AS samples
FROM (
SELECT coalesce(pg_catalog.sum(rows), 0)::bigint AS rows_left,
coalesce(pg_catalog.sum(rejected), 0)::bigint AS rows_rejected, pg_catalog.array_agg(tid) AS tids, coalesce(pg_catalog.sum(stuck), 0)::bigint AS rows_unconverged
FROM (
SELECT pg_catalog.count(*) AS rows, pg_catalog.count(*) FILTER (WHERE ctid OPERATOR(pg_catalog.=) ANY (%(rejected)s::pg_catalog.tid[])) AS rejected,
pg_catalog.min(ctid) FILTER (WHERE NOT ctid OPERATOR(pg_catalog.=) ANY (%(rejected)s::pg_catalog.tid[])) AS tid,
pg_catalog.count(*) FILTER (WHERE CASE WHEN ctid OPERATOR(pg_catalog.=) ANY (%(rejected)s::pg_catalog.tid[]) THEN false ELSE NULL END) AS stuck
FROM ONLY "public"."users"
WHERE (
tags IS NULL
)
GROUP BY pg_catalog.hashtid(ctid) OPERATOR(pg_catalog.&) 7
) AS parts
) AS found

-- verify_piece
SELECT found.rows_left, found.rows_rejected, found.rows_unconverged, 0 AS rows_without_partner,
ARRAY(SELECT (pg_catalog.jsonb_build_object('id', "sampled"."id"))::pg_catalog.text FROM ONLY "public"."users" AS sampled
WHERE sampled.ctid OPERATOR(pg_catalog.=) ANY (found.tids) LIMIT 5) AS samples
FROM (
SELECT coalesce(pg_catalog.sum(rows), 0)::bigint AS rows_left,
coalesce(pg_catalog.sum(rejected), 0)::bigint AS rows_rejected, pg_catalog.array_agg(tid) AS tids, coalesce(pg_catalog.sum(stuck), 0)::bigint AS rows_unconverged
FROM (
SELECT pg_catalog.count(*) AS rows, pg_catalog.count(*) FILTER (WHERE ctid OPERATOR(pg_catalog.=) ANY (%(rejected)s::pg_catalog.tid[])) AS rejected,
pg_catalog.min(ctid) FILTER (WHERE NOT ctid OPERATOR(pg_catalog.=) ANY (%(rejected)s::pg_catalog.tid[])) AS tid,
pg_catalog.count(*) FILTER (WHERE CASE WHEN ctid OPERATOR(pg_catalog.=) ANY (%(rejected)s::pg_catalog.tid[]) THEN false ELSE NULL END) AS stuck
FROM ONLY "public"."users"
WHERE "users".ctid OPERATOR(pg_catalog.>=) %(low)s::pg_catalog.tid AND "users".ctid OPERATOR(pg_catalog.<) %(high)s::pg_catalog.tid AND (
tags IS NULL
)
GROUP BY pg_catalog.hashtid(ctid) OPERATOR(pg_catalog.&) 7
) AS parts
) AS found

-- sample_before
SELECT "users".ctid::pg_catalog.text, (pg_catalog.jsonb_build_object('id', "users"."id"))::pg_catalog.text, (pg_catalog.jsonb_build_object('tags', "users"."tags", 'docs', "users"."docs"))::pg_catalog.text
FROM ONLY "public"."users"
WHERE "users".ctid OPERATOR(pg_catalog.>=) %(low)s::pg_catalog.tid AND "users".ctid OPERATOR(pg_catalog.<) %(high)s::pg_catalog.tid AND (
tags IS NULL
)
LIMIT 1

-- sample_after
UPDATE ONLY "public"."users" SET "tags" = (SELECT "backfill_array"::pg_catalog.text[] FROM pg_catalog.json_to_record(pg_catalog.json_build_object('backfill_array', "backfill_0"::pg_catalog.json)) AS "backfill_row"("backfill_array" pg_catalog.text[])), "docs" = (SELECT "backfill_array"::pg_catalog.jsonb[] FROM pg_catalog.json_to_record(pg_catalog.json_build_object('backfill_array', "backfill_1"::pg_catalog.json)) AS "backfill_row"("backfill_array" pg_catalog.text[]))
FROM ROWS FROM (pg_catalog.unnest(%(tids)s::pg_catalog.tid[]), pg_catalog.unnest(%(xmins)s::pg_catalog.xid[]), pg_catalog.unnest(%(out_0)s::pg_catalog.text[]), pg_catalog.unnest(%(out_1)s::pg_catalog.text[])) AS "backfill"("backfill_tid", "backfill_xmin", "backfill_0", "backfill_1")
WHERE "users".ctid OPERATOR(pg_catalog.=) "backfill_tid" AND "users".xmin OPERATOR(pg_catalog.=) "backfill_xmin" AND "users".ctid OPERATOR(pg_catalog.=) %(tid)s::pg_catalog.tid AND (
tags IS NULL
)
RETURNING (pg_catalog.jsonb_build_object('tags', "users"."tags", 'docs', "users"."docs"))::pg_catalog.text

-- row_key
SELECT (pg_catalog.jsonb_build_object('id', "users"."id"))::pg_catalog.text
FROM ONLY "public"."users"
WHERE "users".ctid OPERATOR(pg_catalog.=) %(tid)s::pg_catalog.tid

-- row_lock
SELECT (pg_catalog.jsonb_build_object('id', "users"."id"))::pg_catalog.text, "users".xmax::pg_catalog.text
FROM ONLY "public"."users"
WHERE "users".ctid OPERATOR(pg_catalog.=) %(tid)s::pg_catalog.tid

-- find_rejected
SELECT "users".ctid::pg_catalog.text
FROM ONLY "public"."users"
WHERE "users"."id" OPERATOR(pg_catalog.=) (SELECT kept."id" FROM pg_catalog.jsonb_populate_record(NULL::"public"."users", %(key)s::pg_catalog.jsonb) AS kept) AND (
tags IS NULL
)

-- still_matching
SELECT "users".ctid::pg_catalog.text
FROM ONLY "public"."users"
WHERE "users".ctid OPERATOR(pg_catalog.=) ANY (%(tids)s::pg_catalog.tid[]) AND (
tags IS NULL
)

-- find_inputs, stripe
SELECT "users".ctid::pg_catalog.text, "users".xmin::pg_catalog.text, 200 OPERATOR(pg_catalog.+) coalesce(pg_catalog.octet_length("users"."username"), 0)::pg_catalog.int8
FROM ONLY "public"."users"
WHERE "users".ctid OPERATOR(pg_catalog.>=) %(low)s::pg_catalog.tid AND "users".ctid OPERATOR(pg_catalog.<) %(high)s::pg_catalog.tid AND (%(mask)s::pg_catalog.int8 OPERATOR(pg_catalog.>>) (pg_catalog.get_byte(pg_catalog.tidsend("users".ctid), 5) OPERATOR(pg_catalog.&) 63)) OPERATOR(pg_catalog.&) 1 OPERATOR(pg_catalog.=) 1 AND (
tags IS NULL
)

-- find_inputs, last stripe
SELECT "users".ctid::pg_catalog.text, "users".xmin::pg_catalog.text, 200 OPERATOR(pg_catalog.+) coalesce(pg_catalog.octet_length("users"."username"), 0)::pg_catalog.int8
FROM ONLY "public"."users"
WHERE "users".ctid OPERATOR(pg_catalog.>=) %(low)s::pg_catalog.tid AND "users".ctid OPERATOR(pg_catalog.<) %(high)s::pg_catalog.tid AND (
tags IS NULL
)

-- read_inputs
SELECT "users".ctid::pg_catalog.text, "users".xmin::pg_catalog.text, "users"."username"
FROM ONLY "public"."users",
ROWS FROM (pg_catalog.unnest(%(tids)s::pg_catalog.tid[]), pg_catalog.unnest(%(xmins)s::pg_catalog.xid[])) AS "backfill"("backfill_tid", "backfill_xmin")
WHERE "users".ctid OPERATOR(pg_catalog.=) "backfill_tid" AND "users".xmin OPERATOR(pg_catalog.=) "backfill_xmin"
