-- profile
SELECT pg_catalog.count(*) AS rows, pg_catalog.count(*) FILTER (WHERE (
"100%%" IS NULL AND backfill_tid = '%%x'
)) AS due,
pg_catalog.avg(24 OPERATOR(pg_catalog.+) CASE WHEN pg_catalog.pg_column_size("Tä%%ble.%%s %%(low)s"."id") OPERATOR(pg_catalog.>) 2000 THEN 18 ELSE coalesce(pg_catalog.pg_column_size("Tä%%ble.%%s %%(low)s"."id"), 0) END OPERATOR(pg_catalog.+) CASE WHEN pg_catalog.pg_column_size("Tä%%ble.%%s %%(low)s"."Üser %%") OPERATOR(pg_catalog.>) 2000 THEN 18 ELSE coalesce(pg_catalog.pg_column_size("Tä%%ble.%%s %%(low)s"."Üser %%"), 0) END OPERATOR(pg_catalog.+) CASE WHEN pg_catalog.pg_column_size("Tä%%ble.%%s %%(low)s"."100%%") OPERATOR(pg_catalog.>) 2000 THEN 18 ELSE coalesce(pg_catalog.pg_column_size("Tä%%ble.%%s %%(low)s"."100%%"), 0) END OPERATOR(pg_catalog.+) CASE WHEN pg_catalog.pg_column_size("Tä%%ble.%%s %%(low)s"."O'Key""s") OPERATOR(pg_catalog.>) 2000 THEN 18 ELSE coalesce(pg_catalog.pg_column_size("Tä%%ble.%%s %%(low)s"."O'Key""s"), 0) END OPERATOR(pg_catalog.+) CASE WHEN pg_catalog.pg_column_size("Tä%%ble.%%s %%(low)s"."backfill_tid") OPERATOR(pg_catalog.>) 2000 THEN 18 ELSE coalesce(pg_catalog.pg_column_size("Tä%%ble.%%s %%(low)s"."backfill_tid"), 0) END OPERATOR(pg_catalog.+) CASE WHEN pg_catalog.pg_column_size("Tä%%ble.%%s %%(low)s"."backfill__x") OPERATOR(pg_catalog.>) 2000 THEN 18 ELSE coalesce(pg_catalog.pg_column_size("Tä%%ble.%%s %%(low)s"."backfill__x"), 0) END) AS row_bytes,
NULL::numeric AS grown_bytes
FROM ONLY "We.ird ""Schema"""."Tä%%ble.%%s %%(low)s"
WHERE "Tä%%ble.%%s %%(low)s".ctid OPERATOR(pg_catalog.>=) %(low)s::pg_catalog.tid AND "Tä%%ble.%%s %%(low)s".ctid OPERATOR(pg_catalog.<) %(high)s::pg_catalog.tid

-- row_sample
SELECT (SELECT pg_catalog.count(*) FROM ONLY "We.ird ""Schema"""."Tä%%ble.%%s %%(low)s"
WHERE "Tä%%ble.%%s %%(low)s".ctid OPERATOR(pg_catalog.>=) %(low)s::pg_catalog.tid AND "Tä%%ble.%%s %%(low)s".ctid OPERATOR(pg_catalog.<) %(high)s::pg_catalog.tid) AS rows,
(SELECT pg_catalog.count(*) FROM ONLY "We.ird ""Schema"""."Tä%%ble.%%s %%(low)s"
WHERE "Tä%%ble.%%s %%(low)s".ctid OPERATOR(pg_catalog.>=) %(low)s::pg_catalog.tid AND "Tä%%ble.%%s %%(low)s".ctid OPERATOR(pg_catalog.<) %(high)s::pg_catalog.tid AND (
"100%%" IS NULL AND backfill_tid = '%%x'
)) AS due

-- count, first pass
SELECT pg_catalog.width_bucket("Tä%%ble.%%s %%(low)s".ctid, %(bounds)s::pg_catalog.tid[]) OPERATOR(pg_catalog.-) 1 AS slice,
(%(stripes)s::pg_catalog.int2[])[1 OPERATOR(pg_catalog.+) (pg_catalog.get_byte(pg_catalog.tidsend("Tä%%ble.%%s %%(low)s".ctid), 5) OPERATOR(pg_catalog.&) 63)] AS stripe, pg_catalog.count(*) AS rows
FROM ONLY "We.ird ""Schema"""."Tä%%ble.%%s %%(low)s"
WHERE "Tä%%ble.%%s %%(low)s".ctid OPERATOR(pg_catalog.>=) %(low)s::pg_catalog.tid AND "Tä%%ble.%%s %%(low)s".ctid OPERATOR(pg_catalog.<) %(high)s::pg_catalog.tid AND (
"100%%" IS NULL AND backfill_tid = '%%x'
)
GROUP BY 1, 2

-- count, later pass
SELECT pg_catalog.width_bucket("Tä%%ble.%%s %%(low)s".ctid, %(bounds)s::pg_catalog.tid[]) OPERATOR(pg_catalog.-) 1 AS slice,
(%(stripes)s::pg_catalog.int2[])[1 OPERATOR(pg_catalog.+) (pg_catalog.get_byte(pg_catalog.tidsend("Tä%%ble.%%s %%(low)s".ctid), 5) OPERATOR(pg_catalog.&) 63)] AS stripe, pg_catalog.count(*) AS rows
FROM ONLY "We.ird ""Schema"""."Tä%%ble.%%s %%(low)s"
WHERE "Tä%%ble.%%s %%(low)s".ctid OPERATOR(pg_catalog.>=) %(low)s::pg_catalog.tid AND "Tä%%ble.%%s %%(low)s".ctid OPERATOR(pg_catalog.<) %(high)s::pg_catalog.tid AND (
"100%%" IS NULL AND backfill_tid = '%%x'
)
GROUP BY 1, 2

-- find, stripe, first pass
SELECT "Tä%%ble.%%s %%(low)s".ctid::pg_catalog.text
FROM ONLY "We.ird ""Schema"""."Tä%%ble.%%s %%(low)s"
WHERE "Tä%%ble.%%s %%(low)s".ctid OPERATOR(pg_catalog.>=) %(low)s::pg_catalog.tid AND "Tä%%ble.%%s %%(low)s".ctid OPERATOR(pg_catalog.<) %(high)s::pg_catalog.tid AND (%(mask)s::pg_catalog.int8 OPERATOR(pg_catalog.>>) (pg_catalog.get_byte(pg_catalog.tidsend("Tä%%ble.%%s %%(low)s".ctid), 5) OPERATOR(pg_catalog.&) 63)) OPERATOR(pg_catalog.&) 1 OPERATOR(pg_catalog.=) 1 AND (
"100%%" IS NULL AND backfill_tid = '%%x'
)
ORDER BY "Tä%%ble.%%s %%(low)s".ctid
LIMIT 8193

-- find, stripe, later pass
SELECT "Tä%%ble.%%s %%(low)s".ctid::pg_catalog.text
FROM ONLY "We.ird ""Schema"""."Tä%%ble.%%s %%(low)s"
WHERE "Tä%%ble.%%s %%(low)s".ctid OPERATOR(pg_catalog.>=) %(low)s::pg_catalog.tid AND "Tä%%ble.%%s %%(low)s".ctid OPERATOR(pg_catalog.<) %(high)s::pg_catalog.tid AND (%(mask)s::pg_catalog.int8 OPERATOR(pg_catalog.>>) (pg_catalog.get_byte(pg_catalog.tidsend("Tä%%ble.%%s %%(low)s".ctid), 5) OPERATOR(pg_catalog.&) 63)) OPERATOR(pg_catalog.&) 1 OPERATOR(pg_catalog.=) 1 AND (
"100%%" IS NULL AND backfill_tid = '%%x'
)
ORDER BY "Tä%%ble.%%s %%(low)s".ctid
LIMIT 8193

-- find, last stripe, first pass
SELECT "Tä%%ble.%%s %%(low)s".ctid::pg_catalog.text
FROM ONLY "We.ird ""Schema"""."Tä%%ble.%%s %%(low)s"
WHERE "Tä%%ble.%%s %%(low)s".ctid OPERATOR(pg_catalog.>=) %(low)s::pg_catalog.tid AND "Tä%%ble.%%s %%(low)s".ctid OPERATOR(pg_catalog.<) %(high)s::pg_catalog.tid AND (
"100%%" IS NULL AND backfill_tid = '%%x'
)
ORDER BY "Tä%%ble.%%s %%(low)s".ctid
LIMIT 8193

-- find, last stripe, later pass
SELECT "Tä%%ble.%%s %%(low)s".ctid::pg_catalog.text
FROM ONLY "We.ird ""Schema"""."Tä%%ble.%%s %%(low)s"
WHERE "Tä%%ble.%%s %%(low)s".ctid OPERATOR(pg_catalog.>=) %(low)s::pg_catalog.tid AND "Tä%%ble.%%s %%(low)s".ctid OPERATOR(pg_catalog.<) %(high)s::pg_catalog.tid AND (
"100%%" IS NULL AND backfill_tid = '%%x'
)
ORDER BY "Tä%%ble.%%s %%(low)s".ctid
LIMIT 8193

-- update, stripe, first pass
WITH filled AS (
UPDATE ONLY "We.ird ""Schema"""."Tä%%ble.%%s %%(low)s" SET "100%%" = "backfill____0"::"Types%%"."Ba.se", "O'Key""s" = (
id %% 2
), "id" = "backfill____1"::bigint
FROM ROWS FROM (pg_catalog.unnest(%(tids)s::pg_catalog.tid[]), pg_catalog.unnest(%(xmins)s::pg_catalog.xid[]), pg_catalog.unnest(%(out_0)s::pg_catalog.text[]), pg_catalog.unnest(%(out_1)s::pg_catalog.text[])) AS "backfill___"("backfill____tid", "backfill____xmin", "backfill____0", "backfill____1")
WHERE "Tä%%ble.%%s %%(low)s".ctid OPERATOR(pg_catalog.=) "backfill____tid" AND "Tä%%ble.%%s %%(low)s".xmin OPERATOR(pg_catalog.=) "backfill____xmin" AND "Tä%%ble.%%s %%(low)s".ctid OPERATOR(pg_catalog.>=) %(low)s::pg_catalog.tid AND "Tä%%ble.%%s %%(low)s".ctid OPERATOR(pg_catalog.<) %(high)s::pg_catalog.tid AND (%(mask)s::pg_catalog.int8 OPERATOR(pg_catalog.>>) (pg_catalog.get_byte(pg_catalog.tidsend("Tä%%ble.%%s %%(low)s".ctid), 5) OPERATOR(pg_catalog.&) 63)) OPERATOR(pg_catalog.&) 1 OPERATOR(pg_catalog.=) 1 AND (
"100%%" IS NULL AND backfill_tid = '%%x'
)
RETURNING CASE WHEN (
"100%%" IS NULL AND backfill_tid = '%%x'
) THEN "Tä%%ble.%%s %%(low)s".ctid::pg_catalog.text END AS unconverged, "Tä%%ble.%%s %%(low)s".ctid AS tid
)
SELECT pg_catalog.count(*) AS rows, pg_catalog.count(unconverged) AS rows_unconverged,
(pg_catalog.array_agg(unconverged) FILTER (WHERE unconverged IS NOT NULL))[:5] AS samples,
pg_catalog.array_agg(tid::pg_catalog.text) FILTER (WHERE unconverged IS NOT NULL) AS tids
FROM filled

-- update, last stripe, first pass
WITH filled AS (
UPDATE ONLY "We.ird ""Schema"""."Tä%%ble.%%s %%(low)s" SET "100%%" = "backfill____0"::"Types%%"."Ba.se", "O'Key""s" = (
id %% 2
), "id" = "backfill____1"::bigint
FROM ROWS FROM (pg_catalog.unnest(%(tids)s::pg_catalog.tid[]), pg_catalog.unnest(%(xmins)s::pg_catalog.xid[]), pg_catalog.unnest(%(out_0)s::pg_catalog.text[]), pg_catalog.unnest(%(out_1)s::pg_catalog.text[])) AS "backfill___"("backfill____tid", "backfill____xmin", "backfill____0", "backfill____1")
WHERE "Tä%%ble.%%s %%(low)s".ctid OPERATOR(pg_catalog.=) "backfill____tid" AND "Tä%%ble.%%s %%(low)s".xmin OPERATOR(pg_catalog.=) "backfill____xmin" AND "Tä%%ble.%%s %%(low)s".ctid OPERATOR(pg_catalog.>=) %(low)s::pg_catalog.tid AND "Tä%%ble.%%s %%(low)s".ctid OPERATOR(pg_catalog.<) %(high)s::pg_catalog.tid AND (
"100%%" IS NULL AND backfill_tid = '%%x'
)
RETURNING CASE WHEN (
"100%%" IS NULL AND backfill_tid = '%%x'
) THEN "Tä%%ble.%%s %%(low)s".ctid::pg_catalog.text END AS unconverged, "Tä%%ble.%%s %%(low)s".ctid AS tid
)
SELECT pg_catalog.count(*) AS rows, pg_catalog.count(unconverged) AS rows_unconverged,
(pg_catalog.array_agg(unconverged) FILTER (WHERE unconverged IS NOT NULL))[:5] AS samples,
pg_catalog.array_agg(tid::pg_catalog.text) FILTER (WHERE unconverged IS NOT NULL) AS tids
FROM filled

-- update, addresses, first pass
WITH filled AS (
UPDATE ONLY "We.ird ""Schema"""."Tä%%ble.%%s %%(low)s" SET "100%%" = "backfill____0"::"Types%%"."Ba.se", "O'Key""s" = (
id %% 2
), "id" = "backfill____1"::bigint
FROM ROWS FROM (pg_catalog.unnest(%(tids)s::pg_catalog.tid[]), pg_catalog.unnest(%(xmins)s::pg_catalog.xid[]), pg_catalog.unnest(%(out_0)s::pg_catalog.text[]), pg_catalog.unnest(%(out_1)s::pg_catalog.text[])) AS "backfill___"("backfill____tid", "backfill____xmin", "backfill____0", "backfill____1")
WHERE "Tä%%ble.%%s %%(low)s".ctid OPERATOR(pg_catalog.=) "backfill____tid" AND "Tä%%ble.%%s %%(low)s".xmin OPERATOR(pg_catalog.=) "backfill____xmin" AND "Tä%%ble.%%s %%(low)s".ctid OPERATOR(pg_catalog.=) ANY (%(tids)s::pg_catalog.tid[]) AND (
"100%%" IS NULL AND backfill_tid = '%%x'
)
RETURNING CASE WHEN (
"100%%" IS NULL AND backfill_tid = '%%x'
) THEN "Tä%%ble.%%s %%(low)s".ctid::pg_catalog.text END AS unconverged, "Tä%%ble.%%s %%(low)s".ctid AS tid
)
SELECT pg_catalog.count(*) AS rows, pg_catalog.count(unconverged) AS rows_unconverged,
(pg_catalog.array_agg(unconverged) FILTER (WHERE unconverged IS NOT NULL))[:5] AS samples,
pg_catalog.array_agg(tid::pg_catalog.text) FILTER (WHERE unconverged IS NOT NULL) AS tids
FROM filled

-- update, stripe, later pass
WITH filled AS (
UPDATE ONLY "We.ird ""Schema"""."Tä%%ble.%%s %%(low)s" SET "100%%" = "backfill____0"::"Types%%"."Ba.se", "O'Key""s" = (
id %% 2
), "id" = "backfill____1"::bigint
FROM ROWS FROM (pg_catalog.unnest(%(tids)s::pg_catalog.tid[]), pg_catalog.unnest(%(xmins)s::pg_catalog.xid[]), pg_catalog.unnest(%(out_0)s::pg_catalog.text[]), pg_catalog.unnest(%(out_1)s::pg_catalog.text[])) AS "backfill___"("backfill____tid", "backfill____xmin", "backfill____0", "backfill____1")
WHERE "Tä%%ble.%%s %%(low)s".ctid OPERATOR(pg_catalog.=) "backfill____tid" AND "Tä%%ble.%%s %%(low)s".xmin OPERATOR(pg_catalog.=) "backfill____xmin" AND "Tä%%ble.%%s %%(low)s".ctid OPERATOR(pg_catalog.>=) %(low)s::pg_catalog.tid AND "Tä%%ble.%%s %%(low)s".ctid OPERATOR(pg_catalog.<) %(high)s::pg_catalog.tid AND (%(mask)s::pg_catalog.int8 OPERATOR(pg_catalog.>>) (pg_catalog.get_byte(pg_catalog.tidsend("Tä%%ble.%%s %%(low)s".ctid), 5) OPERATOR(pg_catalog.&) 63)) OPERATOR(pg_catalog.&) 1 OPERATOR(pg_catalog.=) 1 AND (
"100%%" IS NULL AND backfill_tid = '%%x'
)
RETURNING CASE WHEN (
"100%%" IS NULL AND backfill_tid = '%%x'
) THEN "Tä%%ble.%%s %%(low)s".ctid::pg_catalog.text END AS unconverged, "Tä%%ble.%%s %%(low)s".ctid AS tid
)
SELECT pg_catalog.count(*) AS rows, pg_catalog.count(unconverged) AS rows_unconverged,
(pg_catalog.array_agg(unconverged) FILTER (WHERE unconverged IS NOT NULL))[:5] AS samples,
pg_catalog.array_agg(tid::pg_catalog.text) FILTER (WHERE unconverged IS NOT NULL) AS tids
FROM filled

-- update, last stripe, later pass
WITH filled AS (
UPDATE ONLY "We.ird ""Schema"""."Tä%%ble.%%s %%(low)s" SET "100%%" = "backfill____0"::"Types%%"."Ba.se", "O'Key""s" = (
id %% 2
), "id" = "backfill____1"::bigint
FROM ROWS FROM (pg_catalog.unnest(%(tids)s::pg_catalog.tid[]), pg_catalog.unnest(%(xmins)s::pg_catalog.xid[]), pg_catalog.unnest(%(out_0)s::pg_catalog.text[]), pg_catalog.unnest(%(out_1)s::pg_catalog.text[])) AS "backfill___"("backfill____tid", "backfill____xmin", "backfill____0", "backfill____1")
WHERE "Tä%%ble.%%s %%(low)s".ctid OPERATOR(pg_catalog.=) "backfill____tid" AND "Tä%%ble.%%s %%(low)s".xmin OPERATOR(pg_catalog.=) "backfill____xmin" AND "Tä%%ble.%%s %%(low)s".ctid OPERATOR(pg_catalog.>=) %(low)s::pg_catalog.tid AND "Tä%%ble.%%s %%(low)s".ctid OPERATOR(pg_catalog.<) %(high)s::pg_catalog.tid AND (
"100%%" IS NULL AND backfill_tid = '%%x'
)
RETURNING CASE WHEN (
"100%%" IS NULL AND backfill_tid = '%%x'
) THEN "Tä%%ble.%%s %%(low)s".ctid::pg_catalog.text END AS unconverged, "Tä%%ble.%%s %%(low)s".ctid AS tid
)
SELECT pg_catalog.count(*) AS rows, pg_catalog.count(unconverged) AS rows_unconverged,
(pg_catalog.array_agg(unconverged) FILTER (WHERE unconverged IS NOT NULL))[:5] AS samples,
pg_catalog.array_agg(tid::pg_catalog.text) FILTER (WHERE unconverged IS NOT NULL) AS tids
FROM filled

-- update, addresses, later pass
WITH filled AS (
UPDATE ONLY "We.ird ""Schema"""."Tä%%ble.%%s %%(low)s" SET "100%%" = "backfill____0"::"Types%%"."Ba.se", "O'Key""s" = (
id %% 2
), "id" = "backfill____1"::bigint
FROM ROWS FROM (pg_catalog.unnest(%(tids)s::pg_catalog.tid[]), pg_catalog.unnest(%(xmins)s::pg_catalog.xid[]), pg_catalog.unnest(%(out_0)s::pg_catalog.text[]), pg_catalog.unnest(%(out_1)s::pg_catalog.text[])) AS "backfill___"("backfill____tid", "backfill____xmin", "backfill____0", "backfill____1")
WHERE "Tä%%ble.%%s %%(low)s".ctid OPERATOR(pg_catalog.=) "backfill____tid" AND "Tä%%ble.%%s %%(low)s".xmin OPERATOR(pg_catalog.=) "backfill____xmin" AND "Tä%%ble.%%s %%(low)s".ctid OPERATOR(pg_catalog.=) ANY (%(tids)s::pg_catalog.tid[]) AND (
"100%%" IS NULL AND backfill_tid = '%%x'
)
RETURNING CASE WHEN (
"100%%" IS NULL AND backfill_tid = '%%x'
) THEN "Tä%%ble.%%s %%(low)s".ctid::pg_catalog.text END AS unconverged, "Tä%%ble.%%s %%(low)s".ctid AS tid
)
SELECT pg_catalog.count(*) AS rows, pg_catalog.count(unconverged) AS rows_unconverged,
(pg_catalog.array_agg(unconverged) FILTER (WHERE unconverged IS NOT NULL))[:5] AS samples,
pg_catalog.array_agg(tid::pg_catalog.text) FILTER (WHERE unconverged IS NOT NULL) AS tids
FROM filled

-- update alone, stripe
UPDATE ONLY "We.ird ""Schema"""."Tä%%ble.%%s %%(low)s" SET "100%%" = "backfill____0"::"Types%%"."Ba.se", "O'Key""s" = (
id %% 2
), "id" = "backfill____1"::bigint
FROM ROWS FROM (pg_catalog.unnest(%(tids)s::pg_catalog.tid[]), pg_catalog.unnest(%(xmins)s::pg_catalog.xid[]), pg_catalog.unnest(%(out_0)s::pg_catalog.text[]), pg_catalog.unnest(%(out_1)s::pg_catalog.text[])) AS "backfill___"("backfill____tid", "backfill____xmin", "backfill____0", "backfill____1")
WHERE "Tä%%ble.%%s %%(low)s".ctid OPERATOR(pg_catalog.=) "backfill____tid" AND "Tä%%ble.%%s %%(low)s".xmin OPERATOR(pg_catalog.=) "backfill____xmin" AND "Tä%%ble.%%s %%(low)s".ctid OPERATOR(pg_catalog.>=) %(low)s::pg_catalog.tid AND "Tä%%ble.%%s %%(low)s".ctid OPERATOR(pg_catalog.<) %(high)s::pg_catalog.tid AND (%(mask)s::pg_catalog.int8 OPERATOR(pg_catalog.>>) (pg_catalog.get_byte(pg_catalog.tidsend("Tä%%ble.%%s %%(low)s".ctid), 5) OPERATOR(pg_catalog.&) 63)) OPERATOR(pg_catalog.&) 1 OPERATOR(pg_catalog.=) 1 AND (
"100%%" IS NULL AND backfill_tid = '%%x'
)

-- update alone, last stripe
UPDATE ONLY "We.ird ""Schema"""."Tä%%ble.%%s %%(low)s" SET "100%%" = "backfill____0"::"Types%%"."Ba.se", "O'Key""s" = (
id %% 2
), "id" = "backfill____1"::bigint
FROM ROWS FROM (pg_catalog.unnest(%(tids)s::pg_catalog.tid[]), pg_catalog.unnest(%(xmins)s::pg_catalog.xid[]), pg_catalog.unnest(%(out_0)s::pg_catalog.text[]), pg_catalog.unnest(%(out_1)s::pg_catalog.text[])) AS "backfill___"("backfill____tid", "backfill____xmin", "backfill____0", "backfill____1")
WHERE "Tä%%ble.%%s %%(low)s".ctid OPERATOR(pg_catalog.=) "backfill____tid" AND "Tä%%ble.%%s %%(low)s".xmin OPERATOR(pg_catalog.=) "backfill____xmin" AND "Tä%%ble.%%s %%(low)s".ctid OPERATOR(pg_catalog.>=) %(low)s::pg_catalog.tid AND "Tä%%ble.%%s %%(low)s".ctid OPERATOR(pg_catalog.<) %(high)s::pg_catalog.tid AND (
"100%%" IS NULL AND backfill_tid = '%%x'
)

-- update alone, addresses
UPDATE ONLY "We.ird ""Schema"""."Tä%%ble.%%s %%(low)s" SET "100%%" = "backfill____0"::"Types%%"."Ba.se", "O'Key""s" = (
id %% 2
), "id" = "backfill____1"::bigint
FROM ROWS FROM (pg_catalog.unnest(%(tids)s::pg_catalog.tid[]), pg_catalog.unnest(%(xmins)s::pg_catalog.xid[]), pg_catalog.unnest(%(out_0)s::pg_catalog.text[]), pg_catalog.unnest(%(out_1)s::pg_catalog.text[])) AS "backfill___"("backfill____tid", "backfill____xmin", "backfill____0", "backfill____1")
WHERE "Tä%%ble.%%s %%(low)s".ctid OPERATOR(pg_catalog.=) "backfill____tid" AND "Tä%%ble.%%s %%(low)s".xmin OPERATOR(pg_catalog.=) "backfill____xmin" AND "Tä%%ble.%%s %%(low)s".ctid OPERATOR(pg_catalog.=) ANY (%(tids)s::pg_catalog.tid[]) AND (
"100%%" IS NULL AND backfill_tid = '%%x'
)

-- verify
SELECT found.rows_left, found.rows_rejected, found.rows_unconverged, 0 AS rows_without_partner,
ARRAY(SELECT "sampled".ctid::pg_catalog.text FROM ONLY "We.ird ""Schema"""."Tä%%ble.%%s %%(low)s" AS sampled
WHERE sampled.ctid OPERATOR(pg_catalog.=) ANY (found.tids) LIMIT 5) AS samples
FROM (
SELECT coalesce(pg_catalog.sum(rows), 0)::bigint AS rows_left,
coalesce(pg_catalog.sum(rejected), 0)::bigint AS rows_rejected, pg_catalog.array_agg(tid) AS tids, coalesce(pg_catalog.sum(stuck), 0)::bigint AS rows_unconverged
FROM (
SELECT pg_catalog.count(*) AS rows, pg_catalog.count(*) FILTER (WHERE ctid OPERATOR(pg_catalog.=) ANY (%(rejected)s::pg_catalog.tid[])) AS rejected,
pg_catalog.min(ctid) FILTER (WHERE NOT ctid OPERATOR(pg_catalog.=) ANY (%(rejected)s::pg_catalog.tid[])) AS tid,
pg_catalog.count(*) FILTER (WHERE CASE WHEN ctid OPERATOR(pg_catalog.=) ANY (%(rejected)s::pg_catalog.tid[]) THEN false ELSE NULL END) AS stuck
FROM ONLY "We.ird ""Schema"""."Tä%%ble.%%s %%(low)s"
WHERE (
"100%%" IS NULL AND backfill_tid = '%%x'
)
GROUP BY pg_catalog.hashtid(ctid) OPERATOR(pg_catalog.&) 7
) AS parts
) AS found

-- verify_piece
SELECT found.rows_left, found.rows_rejected, found.rows_unconverged, 0 AS rows_without_partner,
ARRAY(SELECT "sampled".ctid::pg_catalog.text FROM ONLY "We.ird ""Schema"""."Tä%%ble.%%s %%(low)s" AS sampled
WHERE sampled.ctid OPERATOR(pg_catalog.=) ANY (found.tids) LIMIT 5) AS samples
FROM (
SELECT coalesce(pg_catalog.sum(rows), 0)::bigint AS rows_left,
coalesce(pg_catalog.sum(rejected), 0)::bigint AS rows_rejected, pg_catalog.array_agg(tid) AS tids, coalesce(pg_catalog.sum(stuck), 0)::bigint AS rows_unconverged
FROM (
SELECT pg_catalog.count(*) AS rows, pg_catalog.count(*) FILTER (WHERE ctid OPERATOR(pg_catalog.=) ANY (%(rejected)s::pg_catalog.tid[])) AS rejected,
pg_catalog.min(ctid) FILTER (WHERE NOT ctid OPERATOR(pg_catalog.=) ANY (%(rejected)s::pg_catalog.tid[])) AS tid,
pg_catalog.count(*) FILTER (WHERE CASE WHEN ctid OPERATOR(pg_catalog.=) ANY (%(rejected)s::pg_catalog.tid[]) THEN false ELSE NULL END) AS stuck
FROM ONLY "We.ird ""Schema"""."Tä%%ble.%%s %%(low)s"
WHERE "Tä%%ble.%%s %%(low)s".ctid OPERATOR(pg_catalog.>=) %(low)s::pg_catalog.tid AND "Tä%%ble.%%s %%(low)s".ctid OPERATOR(pg_catalog.<) %(high)s::pg_catalog.tid AND (
"100%%" IS NULL AND backfill_tid = '%%x'
)
GROUP BY pg_catalog.hashtid(ctid) OPERATOR(pg_catalog.&) 7
) AS parts
) AS found

-- sample_before
SELECT "Tä%%ble.%%s %%(low)s".ctid::pg_catalog.text, "Tä%%ble.%%s %%(low)s".ctid::pg_catalog.text, (pg_catalog.jsonb_build_object('100%%', "Tä%%ble.%%s %%(low)s"."100%%", 'O''Key"s', "Tä%%ble.%%s %%(low)s"."O'Key""s", 'id', "Tä%%ble.%%s %%(low)s"."id"))::pg_catalog.text
FROM ONLY "We.ird ""Schema"""."Tä%%ble.%%s %%(low)s"
WHERE "Tä%%ble.%%s %%(low)s".ctid OPERATOR(pg_catalog.>=) %(low)s::pg_catalog.tid AND "Tä%%ble.%%s %%(low)s".ctid OPERATOR(pg_catalog.<) %(high)s::pg_catalog.tid AND (
"100%%" IS NULL AND backfill_tid = '%%x'
)
LIMIT 1

-- sample_after
UPDATE ONLY "We.ird ""Schema"""."Tä%%ble.%%s %%(low)s" SET "100%%" = "backfill____0"::"Types%%"."Ba.se", "O'Key""s" = (
id %% 2
), "id" = "backfill____1"::bigint
FROM ROWS FROM (pg_catalog.unnest(%(tids)s::pg_catalog.tid[]), pg_catalog.unnest(%(xmins)s::pg_catalog.xid[]), pg_catalog.unnest(%(out_0)s::pg_catalog.text[]), pg_catalog.unnest(%(out_1)s::pg_catalog.text[])) AS "backfill___"("backfill____tid", "backfill____xmin", "backfill____0", "backfill____1")
WHERE "Tä%%ble.%%s %%(low)s".ctid OPERATOR(pg_catalog.=) "backfill____tid" AND "Tä%%ble.%%s %%(low)s".xmin OPERATOR(pg_catalog.=) "backfill____xmin" AND "Tä%%ble.%%s %%(low)s".ctid OPERATOR(pg_catalog.=) %(tid)s::pg_catalog.tid AND (
"100%%" IS NULL AND backfill_tid = '%%x'
)
RETURNING (pg_catalog.jsonb_build_object('100%%', "Tä%%ble.%%s %%(low)s"."100%%", 'O''Key"s', "Tä%%ble.%%s %%(low)s"."O'Key""s", 'id', "Tä%%ble.%%s %%(low)s"."id"))::pg_catalog.text

-- row_key
SELECT "Tä%%ble.%%s %%(low)s".ctid::pg_catalog.text
FROM ONLY "We.ird ""Schema"""."Tä%%ble.%%s %%(low)s"
WHERE "Tä%%ble.%%s %%(low)s".ctid OPERATOR(pg_catalog.=) %(tid)s::pg_catalog.tid

-- row_lock
SELECT "Tä%%ble.%%s %%(low)s".ctid::pg_catalog.text, "Tä%%ble.%%s %%(low)s".xmax::pg_catalog.text
FROM ONLY "We.ird ""Schema"""."Tä%%ble.%%s %%(low)s"
WHERE "Tä%%ble.%%s %%(low)s".ctid OPERATOR(pg_catalog.=) %(tid)s::pg_catalog.tid

-- find_rejected
SELECT "Tä%%ble.%%s %%(low)s".ctid::pg_catalog.text
FROM ONLY "We.ird ""Schema"""."Tä%%ble.%%s %%(low)s"
WHERE "Tä%%ble.%%s %%(low)s".ctid OPERATOR(pg_catalog.=) %(tid)s::pg_catalog.tid AND (
"100%%" IS NULL AND backfill_tid = '%%x'
)

-- still_matching
SELECT "Tä%%ble.%%s %%(low)s".ctid::pg_catalog.text
FROM ONLY "We.ird ""Schema"""."Tä%%ble.%%s %%(low)s"
WHERE "Tä%%ble.%%s %%(low)s".ctid OPERATOR(pg_catalog.=) ANY (%(tids)s::pg_catalog.tid[]) AND (
"100%%" IS NULL AND backfill_tid = '%%x'
)

-- find_inputs, stripe
SELECT "Tä%%ble.%%s %%(low)s".ctid::pg_catalog.text, "Tä%%ble.%%s %%(low)s".xmin::pg_catalog.text, 200 OPERATOR(pg_catalog.+) coalesce(pg_catalog.octet_length("Tä%%ble.%%s %%(low)s"."Üser %%"::pg_catalog.text), 0)::pg_catalog.int8 OPERATOR(pg_catalog.+) coalesce(pg_catalog.octet_length("Tä%%ble.%%s %%(low)s"."100%%"), 0)::pg_catalog.int8
FROM ONLY "We.ird ""Schema"""."Tä%%ble.%%s %%(low)s"
WHERE "Tä%%ble.%%s %%(low)s".ctid OPERATOR(pg_catalog.>=) %(low)s::pg_catalog.tid AND "Tä%%ble.%%s %%(low)s".ctid OPERATOR(pg_catalog.<) %(high)s::pg_catalog.tid AND (%(mask)s::pg_catalog.int8 OPERATOR(pg_catalog.>>) (pg_catalog.get_byte(pg_catalog.tidsend("Tä%%ble.%%s %%(low)s".ctid), 5) OPERATOR(pg_catalog.&) 63)) OPERATOR(pg_catalog.&) 1 OPERATOR(pg_catalog.=) 1 AND (
"100%%" IS NULL AND backfill_tid = '%%x'
)

-- find_inputs, last stripe
SELECT "Tä%%ble.%%s %%(low)s".ctid::pg_catalog.text, "Tä%%ble.%%s %%(low)s".xmin::pg_catalog.text, 200 OPERATOR(pg_catalog.+) coalesce(pg_catalog.octet_length("Tä%%ble.%%s %%(low)s"."Üser %%"::pg_catalog.text), 0)::pg_catalog.int8 OPERATOR(pg_catalog.+) coalesce(pg_catalog.octet_length("Tä%%ble.%%s %%(low)s"."100%%"), 0)::pg_catalog.int8
FROM ONLY "We.ird ""Schema"""."Tä%%ble.%%s %%(low)s"
WHERE "Tä%%ble.%%s %%(low)s".ctid OPERATOR(pg_catalog.>=) %(low)s::pg_catalog.tid AND "Tä%%ble.%%s %%(low)s".ctid OPERATOR(pg_catalog.<) %(high)s::pg_catalog.tid AND (
"100%%" IS NULL AND backfill_tid = '%%x'
)

-- read_inputs
SELECT "Tä%%ble.%%s %%(low)s".ctid::pg_catalog.text, "Tä%%ble.%%s %%(low)s".xmin::pg_catalog.text, "Tä%%ble.%%s %%(low)s"."Üser %%", "Tä%%ble.%%s %%(low)s"."100%%"
FROM ONLY "We.ird ""Schema"""."Tä%%ble.%%s %%(low)s",
ROWS FROM (pg_catalog.unnest(%(tids)s::pg_catalog.tid[]), pg_catalog.unnest(%(xmins)s::pg_catalog.xid[])) AS "backfill___"("backfill____tid", "backfill____xmin")
WHERE "Tä%%ble.%%s %%(low)s".ctid OPERATOR(pg_catalog.=) "backfill____tid" AND "Tä%%ble.%%s %%(low)s".xmin OPERATOR(pg_catalog.=) "backfill____xmin"
