-- profile
SELECT pg_catalog.count(*) AS rows, pg_catalog.count(*) FILTER (WHERE (
"100%%" IS NULL AND "Üser %%" LIKE '%%x'
  OR id %% 2 = 1
)) AS due,
pg_catalog.avg(24 OPERATOR(pg_catalog.+) CASE WHEN pg_catalog.pg_column_size("Tä%%ble.%%s %%(low)s"."id") OPERATOR(pg_catalog.>) 2000 THEN 18 ELSE coalesce(pg_catalog.pg_column_size("Tä%%ble.%%s %%(low)s"."id"), 0) END OPERATOR(pg_catalog.+) CASE WHEN pg_catalog.pg_column_size("Tä%%ble.%%s %%(low)s"."Üser %%") OPERATOR(pg_catalog.>) 2000 THEN 18 ELSE coalesce(pg_catalog.pg_column_size("Tä%%ble.%%s %%(low)s"."Üser %%"), 0) END OPERATOR(pg_catalog.+) CASE WHEN pg_catalog.pg_column_size("Tä%%ble.%%s %%(low)s"."100%%") OPERATOR(pg_catalog.>) 2000 THEN 18 ELSE coalesce(pg_catalog.pg_column_size("Tä%%ble.%%s %%(low)s"."100%%"), 0) END OPERATOR(pg_catalog.+) CASE WHEN pg_catalog.pg_column_size("Tä%%ble.%%s %%(low)s"."O'Key""s") OPERATOR(pg_catalog.>) 2000 THEN 18 ELSE coalesce(pg_catalog.pg_column_size("Tä%%ble.%%s %%(low)s"."O'Key""s"), 0) END) AS row_bytes,
pg_catalog.avg((least(pg_catalog.pg_column_size(ROW((
replace("Üser %%", '%%', $$\%%$$) -- %%(low)s

)::text)), 2000) OPERATOR(pg_catalog.-) least(pg_catalog.pg_column_size(ROW("Tä%%ble.%%s %%(low)s"."100%%")), 2000)) OPERATOR(pg_catalog.+) (least(pg_catalog.pg_column_size(ROW((
id %% 2
)::integer)), 2000) OPERATOR(pg_catalog.-) least(pg_catalog.pg_column_size(ROW("Tä%%ble.%%s %%(low)s"."O'Key""s")), 2000))) FILTER (WHERE (
"100%%" IS NULL AND "Üser %%" LIKE '%%x'
  OR id %% 2 = 1
)) AS grown_bytes
FROM ONLY "We.ird ""Schema"""."Tä%%ble.%%s %%(low)s"
WHERE "Tä%%ble.%%s %%(low)s".ctid OPERATOR(pg_catalog.>=) %(low)s::pg_catalog.tid AND "Tä%%ble.%%s %%(low)s".ctid OPERATOR(pg_catalog.<) %(high)s::pg_catalog.tid

-- row_sample
SELECT (SELECT pg_catalog.count(*) FROM ONLY "We.ird ""Schema"""."Tä%%ble.%%s %%(low)s"
WHERE "Tä%%ble.%%s %%(low)s".ctid OPERATOR(pg_catalog.>=) %(low)s::pg_catalog.tid AND "Tä%%ble.%%s %%(low)s".ctid OPERATOR(pg_catalog.<) %(high)s::pg_catalog.tid) AS rows,
(SELECT pg_catalog.count(*) FROM ONLY "We.ird ""Schema"""."Tä%%ble.%%s %%(low)s"
WHERE "Tä%%ble.%%s %%(low)s".ctid OPERATOR(pg_catalog.>=) %(low)s::pg_catalog.tid AND "Tä%%ble.%%s %%(low)s".ctid OPERATOR(pg_catalog.<) %(high)s::pg_catalog.tid AND (
"100%%" IS NULL AND "Üser %%" LIKE '%%x'
  OR id %% 2 = 1
)) AS due

-- count, first pass
SELECT pg_catalog.width_bucket("Tä%%ble.%%s %%(low)s".ctid, %(bounds)s::pg_catalog.tid[]) OPERATOR(pg_catalog.-) 1 AS slice,
(%(stripes)s::pg_catalog.int2[])[1 OPERATOR(pg_catalog.+) (pg_catalog.get_byte(pg_catalog.tidsend("Tä%%ble.%%s %%(low)s".ctid), 5) OPERATOR(pg_catalog.&) 63)] AS stripe, pg_catalog.count(*) AS rows
FROM ONLY "We.ird ""Schema"""."Tä%%ble.%%s %%(low)s"
WHERE "Tä%%ble.%%s %%(low)s".ctid OPERATOR(pg_catalog.>=) %(low)s::pg_catalog.tid AND "Tä%%ble.%%s %%(low)s".ctid OPERATOR(pg_catalog.<) %(high)s::pg_catalog.tid AND (
"100%%" IS NULL AND "Üser %%" LIKE '%%x'
  OR id %% 2 = 1
)
GROUP BY 1, 2

-- count, later pass
SELECT pg_catalog.width_bucket("Tä%%ble.%%s %%(low)s".ctid, %(bounds)s::pg_catalog.tid[]) OPERATOR(pg_catalog.-) 1 AS slice,
(%(stripes)s::pg_catalog.int2[])[1 OPERATOR(pg_catalog.+) (pg_catalog.get_byte(pg_catalog.tidsend("Tä%%ble.%%s %%(low)s".ctid), 5) OPERATOR(pg_catalog.&) 63)] AS stripe, pg_catalog.count(*) AS rows
FROM ONLY "We.ird ""Schema"""."Tä%%ble.%%s %%(low)s"
WHERE "Tä%%ble.%%s %%(low)s".ctid OPERATOR(pg_catalog.>=) %(low)s::pg_catalog.tid AND "Tä%%ble.%%s %%(low)s".ctid OPERATOR(pg_catalog.<) %(high)s::pg_catalog.tid AND (
"100%%" IS NULL AND "Üser %%" LIKE '%%x'
  OR id %% 2 = 1
) AND (SELECT (
"100%%" IS NULL AND "Üser %%" LIKE '%%x'
  OR id %% 2 = 1
) FROM (SELECT "Tä%%ble.%%s %%(low)s"."id", "Tä%%ble.%%s %%(low)s"."Üser %%", (
replace("Üser %%", '%%', $$\%%$$) -- %%(low)s

)::text AS "100%%", (
id %% 2
)::integer AS "O'Key""s") AS "Tä%%ble.%%s %%(low)s") IS NOT TRUE
GROUP BY 1, 2

-- find, stripe, first pass
SELECT "Tä%%ble.%%s %%(low)s".ctid::pg_catalog.text
FROM ONLY "We.ird ""Schema"""."Tä%%ble.%%s %%(low)s"
WHERE "Tä%%ble.%%s %%(low)s".ctid OPERATOR(pg_catalog.>=) %(low)s::pg_catalog.tid AND "Tä%%ble.%%s %%(low)s".ctid OPERATOR(pg_catalog.<) %(high)s::pg_catalog.tid AND (%(mask)s::pg_catalog.int8 OPERATOR(pg_catalog.>>) (pg_catalog.get_byte(pg_catalog.tidsend("Tä%%ble.%%s %%(low)s".ctid), 5) OPERATOR(pg_catalog.&) 63)) OPERATOR(pg_catalog.&) 1 OPERATOR(pg_catalog.=) 1 AND (
"100%%" IS NULL AND "Üser %%" LIKE '%%x'
  OR id %% 2 = 1
)
ORDER BY "Tä%%ble.%%s %%(low)s".ctid
LIMIT 8193

-- find, stripe, later pass
SELECT "Tä%%ble.%%s %%(low)s".ctid::pg_catalog.text
FROM ONLY "We.ird ""Schema"""."Tä%%ble.%%s %%(low)s"
WHERE "Tä%%ble.%%s %%(low)s".ctid OPERATOR(pg_catalog.>=) %(low)s::pg_catalog.tid AND "Tä%%ble.%%s %%(low)s".ctid OPERATOR(pg_catalog.<) %(high)s::pg_catalog.tid AND (%(mask)s::pg_catalog.int8 OPERATOR(pg_catalog.>>) (pg_catalog.get_byte(pg_catalog.tidsend("Tä%%ble.%%s %%(low)s".ctid), 5) OPERATOR(pg_catalog.&) 63)) OPERATOR(pg_catalog.&) 1 OPERATOR(pg_catalog.=) 1 AND (
"100%%" IS NULL AND "Üser %%" LIKE '%%x'
  OR id %% 2 = 1
)
ORDER BY "Tä%%ble.%%s %%(low)s".ctid
LIMIT 8193

-- find, last stripe, first pass
SELECT "Tä%%ble.%%s %%(low)s".ctid::pg_catalog.text
FROM ONLY "We.ird ""Schema"""."Tä%%ble.%%s %%(low)s"
WHERE "Tä%%ble.%%s %%(low)s".ctid OPERATOR(pg_catalog.>=) %(low)s::pg_catalog.tid AND "Tä%%ble.%%s %%(low)s".ctid OPERATOR(pg_catalog.<) %(high)s::pg_catalog.tid AND (
"100%%" IS NULL AND "Üser %%" LIKE '%%x'
  OR id %% 2 = 1
)
ORDER BY "Tä%%ble.%%s %%(low)s".ctid
LIMIT 8193

-- find, last stripe, later pass
SELECT "Tä%%ble.%%s %%(low)s".ctid::pg_catalog.text
FROM ONLY "We.ird ""Schema"""."Tä%%ble.%%s %%(low)s"
WHERE "Tä%%ble.%%s %%(low)s".ctid OPERATOR(pg_catalog.>=) %(low)s::pg_catalog.tid AND "Tä%%ble.%%s %%(low)s".ctid OPERATOR(pg_catalog.<) %(high)s::pg_catalog.tid AND (
"100%%" IS NULL AND "Üser %%" LIKE '%%x'
  OR id %% 2 = 1
) AND (SELECT (
"100%%" IS NULL AND "Üser %%" LIKE '%%x'
  OR id %% 2 = 1
) FROM (SELECT "Tä%%ble.%%s %%(low)s"."id", "Tä%%ble.%%s %%(low)s"."Üser %%", (
replace("Üser %%", '%%', $$\%%$$) -- %%(low)s

)::text AS "100%%", (
id %% 2
)::integer AS "O'Key""s") AS "Tä%%ble.%%s %%(low)s") IS NOT TRUE
ORDER BY "Tä%%ble.%%s %%(low)s".ctid
LIMIT 8193

-- update, stripe, first pass
WITH filled AS (
UPDATE ONLY "We.ird ""Schema"""."Tä%%ble.%%s %%(low)s" SET "100%%" = (
replace("Üser %%", '%%', $$\%%$$) -- %%(low)s

), "O'Key""s" = (
id %% 2
)
WHERE "Tä%%ble.%%s %%(low)s".ctid OPERATOR(pg_catalog.>=) %(low)s::pg_catalog.tid AND "Tä%%ble.%%s %%(low)s".ctid OPERATOR(pg_catalog.<) %(high)s::pg_catalog.tid AND (%(mask)s::pg_catalog.int8 OPERATOR(pg_catalog.>>) (pg_catalog.get_byte(pg_catalog.tidsend("Tä%%ble.%%s %%(low)s".ctid), 5) OPERATOR(pg_catalog.&) 63)) OPERATOR(pg_catalog.&) 1 OPERATOR(pg_catalog.=) 1 AND (
"100%%" IS NULL AND "Üser %%" LIKE '%%x'
  OR id %% 2 = 1
)
RETURNING CASE WHEN (
"100%%" IS NULL AND "Üser %%" LIKE '%%x'
  OR id %% 2 = 1
) THEN (pg_catalog.jsonb_build_object('O''Key"s', "Tä%%ble.%%s %%(low)s"."O'Key""s", 'Üser %%', "Tä%%ble.%%s %%(low)s"."Üser %%"))::pg_catalog.text END AS unconverged, "Tä%%ble.%%s %%(low)s".ctid AS tid
)
SELECT pg_catalog.count(*) AS rows, pg_catalog.count(unconverged) AS rows_unconverged,
(pg_catalog.array_agg(unconverged) FILTER (WHERE unconverged IS NOT NULL))[:5] AS samples,
pg_catalog.array_agg(tid::pg_catalog.text) FILTER (WHERE unconverged IS NOT NULL) AS tids
FROM filled

-- update, last stripe, first pass
WITH filled AS (
UPDATE ONLY "We.ird ""Schema"""."Tä%%ble.%%s %%(low)s" SET "100%%" = (
replace("Üser %%", '%%', $$\%%$$) -- %%(low)s

), "O'Key""s" = (
id %% 2
)
WHERE "Tä%%ble.%%s %%(low)s".ctid OPERATOR(pg_catalog.>=) %(low)s::pg_catalog.tid AND "Tä%%ble.%%s %%(low)s".ctid OPERATOR(pg_catalog.<) %(high)s::pg_catalog.tid AND (
"100%%" IS NULL AND "Üser %%" LIKE '%%x'
  OR id %% 2 = 1
)
RETURNING CASE WHEN (
"100%%" IS NULL AND "Üser %%" LIKE '%%x'
  OR id %% 2 = 1
) THEN (pg_catalog.jsonb_build_object('O''Key"s', "Tä%%ble.%%s %%(low)s"."O'Key""s", 'Üser %%', "Tä%%ble.%%s %%(low)s"."Üser %%"))::pg_catalog.text END AS unconverged, "Tä%%ble.%%s %%(low)s".ctid AS tid
)
SELECT pg_catalog.count(*) AS rows, pg_catalog.count(unconverged) AS rows_unconverged,
(pg_catalog.array_agg(unconverged) FILTER (WHERE unconverged IS NOT NULL))[:5] AS samples,
pg_catalog.array_agg(tid::pg_catalog.text) FILTER (WHERE unconverged IS NOT NULL) AS tids
FROM filled

-- update, addresses, first pass
WITH filled AS (
UPDATE ONLY "We.ird ""Schema"""."Tä%%ble.%%s %%(low)s" SET "100%%" = (
replace("Üser %%", '%%', $$\%%$$) -- %%(low)s

), "O'Key""s" = (
id %% 2
)
WHERE "Tä%%ble.%%s %%(low)s".ctid OPERATOR(pg_catalog.=) ANY (%(tids)s::pg_catalog.tid[]) AND (
"100%%" IS NULL AND "Üser %%" LIKE '%%x'
  OR id %% 2 = 1
)
RETURNING CASE WHEN (
"100%%" IS NULL AND "Üser %%" LIKE '%%x'
  OR id %% 2 = 1
) THEN (pg_catalog.jsonb_build_object('O''Key"s', "Tä%%ble.%%s %%(low)s"."O'Key""s", 'Üser %%', "Tä%%ble.%%s %%(low)s"."Üser %%"))::pg_catalog.text END AS unconverged, "Tä%%ble.%%s %%(low)s".ctid AS tid
)
SELECT pg_catalog.count(*) AS rows, pg_catalog.count(unconverged) AS rows_unconverged,
(pg_catalog.array_agg(unconverged) FILTER (WHERE unconverged IS NOT NULL))[:5] AS samples,
pg_catalog.array_agg(tid::pg_catalog.text) FILTER (WHERE unconverged IS NOT NULL) AS tids
FROM filled

-- update, stripe, later pass
WITH filled AS (
UPDATE ONLY "We.ird ""Schema"""."Tä%%ble.%%s %%(low)s" SET "100%%" = (
replace("Üser %%", '%%', $$\%%$$) -- %%(low)s

), "O'Key""s" = (
id %% 2
)
WHERE "Tä%%ble.%%s %%(low)s".ctid OPERATOR(pg_catalog.>=) %(low)s::pg_catalog.tid AND "Tä%%ble.%%s %%(low)s".ctid OPERATOR(pg_catalog.<) %(high)s::pg_catalog.tid AND (%(mask)s::pg_catalog.int8 OPERATOR(pg_catalog.>>) (pg_catalog.get_byte(pg_catalog.tidsend("Tä%%ble.%%s %%(low)s".ctid), 5) OPERATOR(pg_catalog.&) 63)) OPERATOR(pg_catalog.&) 1 OPERATOR(pg_catalog.=) 1 AND (
"100%%" IS NULL AND "Üser %%" LIKE '%%x'
  OR id %% 2 = 1
) AND (SELECT (
"100%%" IS NULL AND "Üser %%" LIKE '%%x'
  OR id %% 2 = 1
) FROM (SELECT "Tä%%ble.%%s %%(low)s"."id", "Tä%%ble.%%s %%(low)s"."Üser %%", (
replace("Üser %%", '%%', $$\%%$$) -- %%(low)s

)::text AS "100%%", (
id %% 2
)::integer AS "O'Key""s") AS "Tä%%ble.%%s %%(low)s") IS NOT TRUE
RETURNING CASE WHEN (
"100%%" IS NULL AND "Üser %%" LIKE '%%x'
  OR id %% 2 = 1
) THEN (pg_catalog.jsonb_build_object('O''Key"s', "Tä%%ble.%%s %%(low)s"."O'Key""s", 'Üser %%', "Tä%%ble.%%s %%(low)s"."Üser %%"))::pg_catalog.text END AS unconverged, "Tä%%ble.%%s %%(low)s".ctid AS tid
)
SELECT pg_catalog.count(*) AS rows, pg_catalog.count(unconverged) AS rows_unconverged,
(pg_catalog.array_agg(unconverged) FILTER (WHERE unconverged IS NOT NULL))[:5] AS samples,
pg_catalog.array_agg(tid::pg_catalog.text) FILTER (WHERE unconverged IS NOT NULL) AS tids
FROM filled

-- update, last stripe, later pass
WITH filled AS (
UPDATE ONLY "We.ird ""Schema"""."Tä%%ble.%%s %%(low)s" SET "100%%" = (
replace("Üser %%", '%%', $$\%%$$) -- %%(low)s

), "O'Key""s" = (
id %% 2
)
WHERE "Tä%%ble.%%s %%(low)s".ctid OPERATOR(pg_catalog.>=) %(low)s::pg_catalog.tid AND "Tä%%ble.%%s %%(low)s".ctid OPERATOR(pg_catalog.<) %(high)s::pg_catalog.tid AND (
"100%%" IS NULL AND "Üser %%" LIKE '%%x'
  OR id %% 2 = 1
) AND (SELECT (
"100%%" IS NULL AND "Üser %%" LIKE '%%x'
  OR id %% 2 = 1
) FROM (SELECT "Tä%%ble.%%s %%(low)s"."id", "Tä%%ble.%%s %%(low)s"."Üser %%", (
replace("Üser %%", '%%', $$\%%$$) -- %%(low)s

)::text AS "100%%", (
id %% 2
)::integer AS "O'Key""s") AS "Tä%%ble.%%s %%(low)s") IS NOT TRUE
RETURNING CASE WHEN (
"100%%" IS NULL AND "Üser %%" LIKE '%%x'
  OR id %% 2 = 1
) THEN (pg_catalog.jsonb_build_object('O''Key"s', "Tä%%ble.%%s %%(low)s"."O'Key""s", 'Üser %%', "Tä%%ble.%%s %%(low)s"."Üser %%"))::pg_catalog.text END AS unconverged, "Tä%%ble.%%s %%(low)s".ctid AS tid
)
SELECT pg_catalog.count(*) AS rows, pg_catalog.count(unconverged) AS rows_unconverged,
(pg_catalog.array_agg(unconverged) FILTER (WHERE unconverged IS NOT NULL))[:5] AS samples,
pg_catalog.array_agg(tid::pg_catalog.text) FILTER (WHERE unconverged IS NOT NULL) AS tids
FROM filled

-- update, addresses, later pass
WITH filled AS (
UPDATE ONLY "We.ird ""Schema"""."Tä%%ble.%%s %%(low)s" SET "100%%" = (
replace("Üser %%", '%%', $$\%%$$) -- %%(low)s

), "O'Key""s" = (
id %% 2
)
WHERE "Tä%%ble.%%s %%(low)s".ctid OPERATOR(pg_catalog.=) ANY (%(tids)s::pg_catalog.tid[]) AND (
"100%%" IS NULL AND "Üser %%" LIKE '%%x'
  OR id %% 2 = 1
) AND (SELECT (
"100%%" IS NULL AND "Üser %%" LIKE '%%x'
  OR id %% 2 = 1
) FROM (SELECT "Tä%%ble.%%s %%(low)s"."id", "Tä%%ble.%%s %%(low)s"."Üser %%", (
replace("Üser %%", '%%', $$\%%$$) -- %%(low)s

)::text AS "100%%", (
id %% 2
)::integer AS "O'Key""s") AS "Tä%%ble.%%s %%(low)s") IS NOT TRUE
RETURNING CASE WHEN (
"100%%" IS NULL AND "Üser %%" LIKE '%%x'
  OR id %% 2 = 1
) THEN (pg_catalog.jsonb_build_object('O''Key"s', "Tä%%ble.%%s %%(low)s"."O'Key""s", 'Üser %%', "Tä%%ble.%%s %%(low)s"."Üser %%"))::pg_catalog.text END AS unconverged, "Tä%%ble.%%s %%(low)s".ctid AS tid
)
SELECT pg_catalog.count(*) AS rows, pg_catalog.count(unconverged) AS rows_unconverged,
(pg_catalog.array_agg(unconverged) FILTER (WHERE unconverged IS NOT NULL))[:5] AS samples,
pg_catalog.array_agg(tid::pg_catalog.text) FILTER (WHERE unconverged IS NOT NULL) AS tids
FROM filled

-- update alone, stripe
UPDATE ONLY "We.ird ""Schema"""."Tä%%ble.%%s %%(low)s" SET "100%%" = (
replace("Üser %%", '%%', $$\%%$$) -- %%(low)s

), "O'Key""s" = (
id %% 2
)
WHERE "Tä%%ble.%%s %%(low)s".ctid OPERATOR(pg_catalog.>=) %(low)s::pg_catalog.tid AND "Tä%%ble.%%s %%(low)s".ctid OPERATOR(pg_catalog.<) %(high)s::pg_catalog.tid AND (%(mask)s::pg_catalog.int8 OPERATOR(pg_catalog.>>) (pg_catalog.get_byte(pg_catalog.tidsend("Tä%%ble.%%s %%(low)s".ctid), 5) OPERATOR(pg_catalog.&) 63)) OPERATOR(pg_catalog.&) 1 OPERATOR(pg_catalog.=) 1 AND (
"100%%" IS NULL AND "Üser %%" LIKE '%%x'
  OR id %% 2 = 1
)

-- update alone, last stripe
UPDATE ONLY "We.ird ""Schema"""."Tä%%ble.%%s %%(low)s" SET "100%%" = (
replace("Üser %%", '%%', $$\%%$$) -- %%(low)s

), "O'Key""s" = (
id %% 2
)
WHERE "Tä%%ble.%%s %%(low)s".ctid OPERATOR(pg_catalog.>=) %(low)s::pg_catalog.tid AND "Tä%%ble.%%s %%(low)s".ctid OPERATOR(pg_catalog.<) %(high)s::pg_catalog.tid AND (
"100%%" IS NULL AND "Üser %%" LIKE '%%x'
  OR id %% 2 = 1
)

-- update alone, addresses
UPDATE ONLY "We.ird ""Schema"""."Tä%%ble.%%s %%(low)s" SET "100%%" = (
replace("Üser %%", '%%', $$\%%$$) -- %%(low)s

), "O'Key""s" = (
id %% 2
)
WHERE "Tä%%ble.%%s %%(low)s".ctid OPERATOR(pg_catalog.=) ANY (%(tids)s::pg_catalog.tid[]) AND (
"100%%" IS NULL AND "Üser %%" LIKE '%%x'
  OR id %% 2 = 1
)

-- verify
SELECT found.rows_left, found.rows_rejected, found.rows_unconverged, 0 AS rows_without_partner,
ARRAY(SELECT (pg_catalog.jsonb_build_object('O''Key"s', "sampled"."O'Key""s", 'Üser %%', "sampled"."Üser %%"))::pg_catalog.text FROM ONLY "We.ird ""Schema"""."Tä%%ble.%%s %%(low)s" AS sampled
WHERE sampled.ctid OPERATOR(pg_catalog.=) ANY (found.tids) LIMIT 5) AS samples
FROM (
SELECT coalesce(pg_catalog.sum(rows), 0)::bigint AS rows_left,
coalesce(pg_catalog.sum(rejected), 0)::bigint AS rows_rejected, pg_catalog.array_agg(tid) AS tids, coalesce(pg_catalog.sum(stuck), 0)::bigint AS rows_unconverged
FROM (
SELECT pg_catalog.count(*) AS rows, pg_catalog.count(*) FILTER (WHERE ctid OPERATOR(pg_catalog.=) ANY (%(rejected)s::pg_catalog.tid[])) AS rejected,
pg_catalog.min(ctid) FILTER (WHERE NOT ctid OPERATOR(pg_catalog.=) ANY (%(rejected)s::pg_catalog.tid[])) AS tid,
pg_catalog.count(*) FILTER (WHERE CASE WHEN ctid OPERATOR(pg_catalog.=) ANY (%(rejected)s::pg_catalog.tid[]) THEN false ELSE (SELECT (
"100%%" IS NULL AND "Üser %%" LIKE '%%x'
  OR id %% 2 = 1
) FROM (SELECT "Tä%%ble.%%s %%(low)s"."id", "Tä%%ble.%%s %%(low)s"."Üser %%", (
replace("Üser %%", '%%', $$\%%$$) -- %%(low)s

)::text AS "100%%", (
id %% 2
)::integer AS "O'Key""s") AS "Tä%%ble.%%s %%(low)s") IS TRUE END) AS stuck
FROM ONLY "We.ird ""Schema"""."Tä%%ble.%%s %%(low)s"
WHERE (
"100%%" IS NULL AND "Üser %%" LIKE '%%x'
  OR id %% 2 = 1
)
GROUP BY pg_catalog.hashtid(ctid) OPERATOR(pg_catalog.&) 7
) AS parts
) AS found

-- verify_piece
SELECT found.rows_left, found.rows_rejected, found.rows_unconverged, 0 AS rows_without_partner,
ARRAY(SELECT (pg_catalog.jsonb_build_object('O''Key"s', "sampled"."O'Key""s", 'Üser %%', "sampled"."Üser %%"))::pg_catalog.text FROM ONLY "We.ird ""Schema"""."Tä%%ble.%%s %%(low)s" AS sampled
WHERE sampled.ctid OPERATOR(pg_catalog.=) ANY (found.tids) LIMIT 5) AS samples
FROM (
SELECT coalesce(pg_catalog.sum(rows), 0)::bigint AS rows_left,
coalesce(pg_catalog.sum(rejected), 0)::bigint AS rows_rejected, pg_catalog.array_agg(tid) AS tids, coalesce(pg_catalog.sum(stuck), 0)::bigint AS rows_unconverged
FROM (
SELECT pg_catalog.count(*) AS rows, pg_catalog.count(*) FILTER (WHERE ctid OPERATOR(pg_catalog.=) ANY (%(rejected)s::pg_catalog.tid[])) AS rejected,
pg_catalog.min(ctid) FILTER (WHERE NOT ctid OPERATOR(pg_catalog.=) ANY (%(rejected)s::pg_catalog.tid[])) AS tid,
pg_catalog.count(*) FILTER (WHERE CASE WHEN ctid OPERATOR(pg_catalog.=) ANY (%(rejected)s::pg_catalog.tid[]) THEN false ELSE (SELECT (
"100%%" IS NULL AND "Üser %%" LIKE '%%x'
  OR id %% 2 = 1
) FROM (SELECT "Tä%%ble.%%s %%(low)s"."id", "Tä%%ble.%%s %%(low)s"."Üser %%", (
replace("Üser %%", '%%', $$\%%$$) -- %%(low)s

)::text AS "100%%", (
id %% 2
)::integer AS "O'Key""s") AS "Tä%%ble.%%s %%(low)s") IS TRUE END) AS stuck
FROM ONLY "We.ird ""Schema"""."Tä%%ble.%%s %%(low)s"
WHERE "Tä%%ble.%%s %%(low)s".ctid OPERATOR(pg_catalog.>=) %(low)s::pg_catalog.tid AND "Tä%%ble.%%s %%(low)s".ctid OPERATOR(pg_catalog.<) %(high)s::pg_catalog.tid AND (
"100%%" IS NULL AND "Üser %%" LIKE '%%x'
  OR id %% 2 = 1
)
GROUP BY pg_catalog.hashtid(ctid) OPERATOR(pg_catalog.&) 7
) AS parts
) AS found

-- sample_before
SELECT "Tä%%ble.%%s %%(low)s".ctid::pg_catalog.text, (pg_catalog.jsonb_build_object('O''Key"s', "Tä%%ble.%%s %%(low)s"."O'Key""s", 'Üser %%', "Tä%%ble.%%s %%(low)s"."Üser %%"))::pg_catalog.text, (pg_catalog.jsonb_build_object('100%%', "Tä%%ble.%%s %%(low)s"."100%%", 'O''Key"s', "Tä%%ble.%%s %%(low)s"."O'Key""s"))::pg_catalog.text
FROM ONLY "We.ird ""Schema"""."Tä%%ble.%%s %%(low)s"
WHERE "Tä%%ble.%%s %%(low)s".ctid OPERATOR(pg_catalog.>=) %(low)s::pg_catalog.tid AND "Tä%%ble.%%s %%(low)s".ctid OPERATOR(pg_catalog.<) %(high)s::pg_catalog.tid AND (
"100%%" IS NULL AND "Üser %%" LIKE '%%x'
  OR id %% 2 = 1
)
LIMIT 1

-- sample_after
UPDATE ONLY "We.ird ""Schema"""."Tä%%ble.%%s %%(low)s" SET "100%%" = (
replace("Üser %%", '%%', $$\%%$$) -- %%(low)s

), "O'Key""s" = (
id %% 2
)
WHERE "Tä%%ble.%%s %%(low)s".ctid OPERATOR(pg_catalog.=) %(tid)s::pg_catalog.tid AND (
"100%%" IS NULL AND "Üser %%" LIKE '%%x'
  OR id %% 2 = 1
)
RETURNING (pg_catalog.jsonb_build_object('100%%', "Tä%%ble.%%s %%(low)s"."100%%", 'O''Key"s', "Tä%%ble.%%s %%(low)s"."O'Key""s"))::pg_catalog.text

-- row_key
SELECT (pg_catalog.jsonb_build_object('O''Key"s', "Tä%%ble.%%s %%(low)s"."O'Key""s", 'Üser %%', "Tä%%ble.%%s %%(low)s"."Üser %%"))::pg_catalog.text
FROM ONLY "We.ird ""Schema"""."Tä%%ble.%%s %%(low)s"
WHERE "Tä%%ble.%%s %%(low)s".ctid OPERATOR(pg_catalog.=) %(tid)s::pg_catalog.tid

-- row_lock
SELECT (pg_catalog.jsonb_build_object('O''Key"s', "Tä%%ble.%%s %%(low)s"."O'Key""s", 'Üser %%', "Tä%%ble.%%s %%(low)s"."Üser %%"))::pg_catalog.text, "Tä%%ble.%%s %%(low)s".xmax::pg_catalog.text
FROM ONLY "We.ird ""Schema"""."Tä%%ble.%%s %%(low)s"
WHERE "Tä%%ble.%%s %%(low)s".ctid OPERATOR(pg_catalog.=) %(tid)s::pg_catalog.tid

-- find_rejected
SELECT "Tä%%ble.%%s %%(low)s".ctid::pg_catalog.text
FROM ONLY "We.ird ""Schema"""."Tä%%ble.%%s %%(low)s"
WHERE "Tä%%ble.%%s %%(low)s"."O'Key""s" OPERATOR(pg_catalog.=) (SELECT kept."O'Key""s" FROM pg_catalog.jsonb_populate_record(NULL::"We.ird ""Schema"""."Tä%%ble.%%s %%(low)s", %(key)s::pg_catalog.jsonb) AS kept)
AND "Tä%%ble.%%s %%(low)s"."Üser %%" OPERATOR(pg_catalog.=) (SELECT kept."Üser %%" FROM pg_catalog.jsonb_populate_record(NULL::"We.ird ""Schema"""."Tä%%ble.%%s %%(low)s", %(key)s::pg_catalog.jsonb) AS kept) AND (
"100%%" IS NULL AND "Üser %%" LIKE '%%x'
  OR id %% 2 = 1
)

-- still_matching
SELECT "Tä%%ble.%%s %%(low)s".ctid::pg_catalog.text
FROM ONLY "We.ird ""Schema"""."Tä%%ble.%%s %%(low)s"
WHERE "Tä%%ble.%%s %%(low)s".ctid OPERATOR(pg_catalog.=) ANY (%(tids)s::pg_catalog.tid[]) AND (
"100%%" IS NULL AND "Üser %%" LIKE '%%x'
  OR id %% 2 = 1
)

-- row_values
SELECT pg_catalog.left((pg_catalog.jsonb_build_object('100%%', (
replace("Üser %%", '%%', $$\%%$$) -- %%(low)s

), 'O''Key"s', (
id %% 2
)))::pg_catalog.text, 500)
FROM ONLY "We.ird ""Schema"""."Tä%%ble.%%s %%(low)s"
WHERE "Tä%%ble.%%s %%(low)s".ctid OPERATOR(pg_catalog.=) %(tid)s::pg_catalog.tid AND (
"100%%" IS NULL AND "Üser %%" LIKE '%%x'
  OR id %% 2 = 1
)
LIMIT 1
