-- profile
SELECT count(*) AS rows, count(*) FILTER (WHERE (
"100%%" IS NULL AND backfill_tid = '%%x'
)) AS due,
avg(24 + CASE WHEN pg_column_size("Tä%%ble.%%s %%(low)s"."id") > 2000 THEN 18 ELSE coalesce(pg_column_size("Tä%%ble.%%s %%(low)s"."id"), 0) END + CASE WHEN pg_column_size("Tä%%ble.%%s %%(low)s"."Üser %%") > 2000 THEN 18 ELSE coalesce(pg_column_size("Tä%%ble.%%s %%(low)s"."Üser %%"), 0) END + CASE WHEN pg_column_size("Tä%%ble.%%s %%(low)s"."100%%") > 2000 THEN 18 ELSE coalesce(pg_column_size("Tä%%ble.%%s %%(low)s"."100%%"), 0) END + CASE WHEN pg_column_size("Tä%%ble.%%s %%(low)s"."O'Key""s") > 2000 THEN 18 ELSE coalesce(pg_column_size("Tä%%ble.%%s %%(low)s"."O'Key""s"), 0) END + CASE WHEN pg_column_size("Tä%%ble.%%s %%(low)s"."backfill_tid") > 2000 THEN 18 ELSE coalesce(pg_column_size("Tä%%ble.%%s %%(low)s"."backfill_tid"), 0) END + CASE WHEN pg_column_size("Tä%%ble.%%s %%(low)s"."backfill__x") > 2000 THEN 18 ELSE coalesce(pg_column_size("Tä%%ble.%%s %%(low)s"."backfill__x"), 0) END) AS row_bytes,
NULL::numeric AS grown_bytes
FROM ONLY "We.ird ""Schema"""."Tä%%ble.%%s %%(low)s"
WHERE "Tä%%ble.%%s %%(low)s".ctid >= %(low)s::tid AND "Tä%%ble.%%s %%(low)s".ctid < %(high)s::tid

-- scout
SELECT width_bucket(ctid, %(bounds)s::tid[]) - 1 AS slice,
(%(stripes)s::smallint[])[1 + (get_byte(tidsend("Tä%%ble.%%s %%(low)s".ctid), 5) & 63)] AS stripe, count(*) AS rows
FROM ONLY "We.ird ""Schema"""."Tä%%ble.%%s %%(low)s"
WHERE "Tä%%ble.%%s %%(low)s".ctid >= %(low)s::tid AND "Tä%%ble.%%s %%(low)s".ctid < %(high)s::tid AND (
"100%%" IS NULL AND backfill_tid = '%%x'
)
GROUP BY 1, 2

-- scout_again
SELECT width_bucket(ctid, %(bounds)s::tid[]) - 1 AS slice,
(%(stripes)s::smallint[])[1 + (get_byte(tidsend("Tä%%ble.%%s %%(low)s".ctid), 5) & 63)] AS stripe, count(*) AS rows
FROM ONLY "We.ird ""Schema"""."Tä%%ble.%%s %%(low)s"
WHERE "Tä%%ble.%%s %%(low)s".ctid >= %(low)s::tid AND "Tä%%ble.%%s %%(low)s".ctid < %(high)s::tid AND (
"100%%" IS NULL AND backfill_tid = '%%x'
)
GROUP BY 1, 2

-- due
SELECT "Tä%%ble.%%s %%(low)s".ctid::text
FROM ONLY "We.ird ""Schema"""."Tä%%ble.%%s %%(low)s"
WHERE "Tä%%ble.%%s %%(low)s".ctid >= %(low)s::tid AND "Tä%%ble.%%s %%(low)s".ctid < %(high)s::tid AND (
"100%%" IS NULL AND backfill_tid = '%%x'
)
ORDER BY "Tä%%ble.%%s %%(low)s".ctid
LIMIT 8193

-- due_again
SELECT "Tä%%ble.%%s %%(low)s".ctid::text
FROM ONLY "We.ird ""Schema"""."Tä%%ble.%%s %%(low)s"
WHERE "Tä%%ble.%%s %%(low)s".ctid >= %(low)s::tid AND "Tä%%ble.%%s %%(low)s".ctid < %(high)s::tid AND (
"100%%" IS NULL AND backfill_tid = '%%x'
)
ORDER BY "Tä%%ble.%%s %%(low)s".ctid
LIMIT 8193

-- due_of_stripe
SELECT "Tä%%ble.%%s %%(low)s".ctid::text
FROM ONLY "We.ird ""Schema"""."Tä%%ble.%%s %%(low)s"
WHERE "Tä%%ble.%%s %%(low)s".ctid >= %(low)s::tid AND "Tä%%ble.%%s %%(low)s".ctid < %(high)s::tid AND (%(mask)s::bigint >> (get_byte(tidsend("Tä%%ble.%%s %%(low)s".ctid), 5) & 63)) & 1 = 1 AND (
"100%%" IS NULL AND backfill_tid = '%%x'
)
ORDER BY "Tä%%ble.%%s %%(low)s".ctid
LIMIT 8193

-- update
WITH filled AS (
UPDATE ONLY "We.ird ""Schema"""."Tä%%ble.%%s %%(low)s" SET "100%%" = "backfill____0"::"Types%%"."Ba.se", "O'Key""s" = (
id %% 2
), "id" = "backfill____1"::bigint
FROM unnest(%(tids)s::tid[], %(xmins)s::xid[], %(out_0)s::text[], %(out_1)s::text[]) AS "backfill___"("backfill____tid", "backfill____xmin", "backfill____0", "backfill____1")
WHERE "Tä%%ble.%%s %%(low)s".ctid = "backfill____tid" AND "Tä%%ble.%%s %%(low)s".xmin = "backfill____xmin" AND "Tä%%ble.%%s %%(low)s".ctid >= %(low)s::tid AND "Tä%%ble.%%s %%(low)s".ctid < %(high)s::tid AND (%(mask)s::bigint >> (get_byte(tidsend("Tä%%ble.%%s %%(low)s".ctid), 5) & 63)) & 1 = 1 AND (
"100%%" IS NULL AND backfill_tid = '%%x'
)
RETURNING CASE WHEN (
"100%%" IS NULL AND backfill_tid = '%%x'
) THEN "Tä%%ble.%%s %%(low)s".ctid::text END AS unconverged
)
SELECT count(*) AS rows, count(unconverged) AS rows_unconverged,
(array_agg(unconverged) FILTER (WHERE unconverged IS NOT NULL))[:5] AS samples
FROM filled

-- update_rest
WITH filled AS (
UPDATE ONLY "We.ird ""Schema"""."Tä%%ble.%%s %%(low)s" SET "100%%" = "backfill____0"::"Types%%"."Ba.se", "O'Key""s" = (
id %% 2
), "id" = "backfill____1"::bigint
FROM unnest(%(tids)s::tid[], %(xmins)s::xid[], %(out_0)s::text[], %(out_1)s::text[]) AS "backfill___"("backfill____tid", "backfill____xmin", "backfill____0", "backfill____1")
WHERE "Tä%%ble.%%s %%(low)s".ctid = "backfill____tid" AND "Tä%%ble.%%s %%(low)s".xmin = "backfill____xmin" AND "Tä%%ble.%%s %%(low)s".ctid >= %(low)s::tid AND "Tä%%ble.%%s %%(low)s".ctid < %(high)s::tid AND (
"100%%" IS NULL AND backfill_tid = '%%x'
)
RETURNING CASE WHEN (
"100%%" IS NULL AND backfill_tid = '%%x'
) THEN "Tä%%ble.%%s %%(low)s".ctid::text END AS unconverged
)
SELECT count(*) AS rows, count(unconverged) AS rows_unconverged,
(array_agg(unconverged) FILTER (WHERE unconverged IS NOT NULL))[:5] AS samples
FROM filled

-- update_rows
WITH filled AS (
UPDATE ONLY "We.ird ""Schema"""."Tä%%ble.%%s %%(low)s" SET "100%%" = "backfill____0"::"Types%%"."Ba.se", "O'Key""s" = (
id %% 2
), "id" = "backfill____1"::bigint
FROM unnest(%(tids)s::tid[], %(xmins)s::xid[], %(out_0)s::text[], %(out_1)s::text[]) AS "backfill___"("backfill____tid", "backfill____xmin", "backfill____0", "backfill____1")
WHERE "Tä%%ble.%%s %%(low)s".ctid = "backfill____tid" AND "Tä%%ble.%%s %%(low)s".xmin = "backfill____xmin" AND "Tä%%ble.%%s %%(low)s".ctid = ANY (%(tids)s::tid[]) AND (
"100%%" IS NULL AND backfill_tid = '%%x'
)
RETURNING CASE WHEN (
"100%%" IS NULL AND backfill_tid = '%%x'
) THEN "Tä%%ble.%%s %%(low)s".ctid::text END AS unconverged
)
SELECT count(*) AS rows, count(unconverged) AS rows_unconverged,
(array_agg(unconverged) FILTER (WHERE unconverged IS NOT NULL))[:5] AS samples
FROM filled

-- update_again
WITH filled AS (
UPDATE ONLY "We.ird ""Schema"""."Tä%%ble.%%s %%(low)s" SET "100%%" = "backfill____0"::"Types%%"."Ba.se", "O'Key""s" = (
id %% 2
), "id" = "backfill____1"::bigint
FROM unnest(%(tids)s::tid[], %(xmins)s::xid[], %(out_0)s::text[], %(out_1)s::text[]) AS "backfill___"("backfill____tid", "backfill____xmin", "backfill____0", "backfill____1")
WHERE "Tä%%ble.%%s %%(low)s".ctid = "backfill____tid" AND "Tä%%ble.%%s %%(low)s".xmin = "backfill____xmin" AND "Tä%%ble.%%s %%(low)s".ctid >= %(low)s::tid AND "Tä%%ble.%%s %%(low)s".ctid < %(high)s::tid AND (%(mask)s::bigint >> (get_byte(tidsend("Tä%%ble.%%s %%(low)s".ctid), 5) & 63)) & 1 = 1 AND (
"100%%" IS NULL AND backfill_tid = '%%x'
)
RETURNING CASE WHEN (
"100%%" IS NULL AND backfill_tid = '%%x'
) THEN "Tä%%ble.%%s %%(low)s".ctid::text END AS unconverged
)
SELECT count(*) AS rows, count(unconverged) AS rows_unconverged,
(array_agg(unconverged) FILTER (WHERE unconverged IS NOT NULL))[:5] AS samples
FROM filled

-- update_rest_again
WITH filled AS (
UPDATE ONLY "We.ird ""Schema"""."Tä%%ble.%%s %%(low)s" SET "100%%" = "backfill____0"::"Types%%"."Ba.se", "O'Key""s" = (
id %% 2
), "id" = "backfill____1"::bigint
FROM unnest(%(tids)s::tid[], %(xmins)s::xid[], %(out_0)s::text[], %(out_1)s::text[]) AS "backfill___"("backfill____tid", "backfill____xmin", "backfill____0", "backfill____1")
WHERE "Tä%%ble.%%s %%(low)s".ctid = "backfill____tid" AND "Tä%%ble.%%s %%(low)s".xmin = "backfill____xmin" AND "Tä%%ble.%%s %%(low)s".ctid >= %(low)s::tid AND "Tä%%ble.%%s %%(low)s".ctid < %(high)s::tid AND (
"100%%" IS NULL AND backfill_tid = '%%x'
)
RETURNING CASE WHEN (
"100%%" IS NULL AND backfill_tid = '%%x'
) THEN "Tä%%ble.%%s %%(low)s".ctid::text END AS unconverged
)
SELECT count(*) AS rows, count(unconverged) AS rows_unconverged,
(array_agg(unconverged) FILTER (WHERE unconverged IS NOT NULL))[:5] AS samples
FROM filled

-- update_rows_again
WITH filled AS (
UPDATE ONLY "We.ird ""Schema"""."Tä%%ble.%%s %%(low)s" SET "100%%" = "backfill____0"::"Types%%"."Ba.se", "O'Key""s" = (
id %% 2
), "id" = "backfill____1"::bigint
FROM unnest(%(tids)s::tid[], %(xmins)s::xid[], %(out_0)s::text[], %(out_1)s::text[]) AS "backfill___"("backfill____tid", "backfill____xmin", "backfill____0", "backfill____1")
WHERE "Tä%%ble.%%s %%(low)s".ctid = "backfill____tid" AND "Tä%%ble.%%s %%(low)s".xmin = "backfill____xmin" AND "Tä%%ble.%%s %%(low)s".ctid = ANY (%(tids)s::tid[]) AND (
"100%%" IS NULL AND backfill_tid = '%%x'
)
RETURNING CASE WHEN (
"100%%" IS NULL AND backfill_tid = '%%x'
) THEN "Tä%%ble.%%s %%(low)s".ctid::text END AS unconverged
)
SELECT count(*) AS rows, count(unconverged) AS rows_unconverged,
(array_agg(unconverged) FILTER (WHERE unconverged IS NOT NULL))[:5] AS samples
FROM filled

-- verify
SELECT found.rows_left, found.rows_rejected, found.rows_unconverged, 0 AS rows_without_partner,
ARRAY(SELECT "sampled".ctid::text FROM ONLY "We.ird ""Schema"""."Tä%%ble.%%s %%(low)s" AS sampled WHERE sampled.ctid = ANY (found.tids) LIMIT 5) AS samples
FROM (
SELECT coalesce(sum(rows), 0)::bigint AS rows_left, coalesce(sum(rejected), 0)::bigint AS rows_rejected,
array_agg(tid) AS tids, coalesce(sum(stuck), 0)::bigint AS rows_unconverged
FROM (
SELECT count(*) AS rows, count(*) FILTER (WHERE ctid = ANY (%(rejected)s::tid[])) AS rejected, min(ctid) FILTER (WHERE NOT ctid = ANY (%(rejected)s::tid[])) AS tid,
count(*) FILTER (WHERE CASE WHEN ctid = ANY (%(rejected)s::tid[]) THEN false ELSE NULL END) AS stuck
FROM ONLY "We.ird ""Schema"""."Tä%%ble.%%s %%(low)s"
WHERE (
"100%%" IS NULL AND backfill_tid = '%%x'
)
GROUP BY hashtid(ctid) & 7
) AS parts
) AS found

-- sample_before
SELECT ctid::text, "Tä%%ble.%%s %%(low)s".ctid::text, jsonb_build_object('100%%', "Tä%%ble.%%s %%(low)s"."100%%", 'O''Key"s', "Tä%%ble.%%s %%(low)s"."O'Key""s", 'id', "Tä%%ble.%%s %%(low)s"."id")::text
FROM ONLY "We.ird ""Schema"""."Tä%%ble.%%s %%(low)s"
WHERE "Tä%%ble.%%s %%(low)s".ctid >= %(low)s::tid AND "Tä%%ble.%%s %%(low)s".ctid < %(high)s::tid AND (
"100%%" IS NULL AND backfill_tid = '%%x'
)
LIMIT 1

-- sample_after
UPDATE ONLY "We.ird ""Schema"""."Tä%%ble.%%s %%(low)s" SET "100%%" = "backfill____0"::"Types%%"."Ba.se", "O'Key""s" = (
id %% 2
), "id" = "backfill____1"::bigint
FROM unnest(%(tids)s::tid[], %(xmins)s::xid[], %(out_0)s::text[], %(out_1)s::text[]) AS "backfill___"("backfill____tid", "backfill____xmin", "backfill____0", "backfill____1")
WHERE "Tä%%ble.%%s %%(low)s".ctid = "backfill____tid" AND "Tä%%ble.%%s %%(low)s".xmin = "backfill____xmin" AND "Tä%%ble.%%s %%(low)s".ctid = %(tid)s::tid AND (
"100%%" IS NULL AND backfill_tid = '%%x'
)
RETURNING jsonb_build_object('100%%', "Tä%%ble.%%s %%(low)s"."100%%", 'O''Key"s', "Tä%%ble.%%s %%(low)s"."O'Key""s", 'id', "Tä%%ble.%%s %%(low)s"."id")::text

-- row_key
SELECT "Tä%%ble.%%s %%(low)s".ctid::text
FROM ONLY "We.ird ""Schema"""."Tä%%ble.%%s %%(low)s"
WHERE "Tä%%ble.%%s %%(low)s".ctid = %(tid)s::tid

-- row_again
SELECT "Tä%%ble.%%s %%(low)s".ctid::text
FROM ONLY "We.ird ""Schema"""."Tä%%ble.%%s %%(low)s"
WHERE "Tä%%ble.%%s %%(low)s".ctid = %(tid)s::tid AND (
"100%%" IS NULL AND backfill_tid = '%%x'
)

-- kept
SELECT "Tä%%ble.%%s %%(low)s".ctid::text
FROM ONLY "We.ird ""Schema"""."Tä%%ble.%%s %%(low)s"
WHERE "Tä%%ble.%%s %%(low)s".ctid = ANY (%(tids)s::tid[]) AND (
"100%%" IS NULL AND backfill_tid = '%%x'
)

-- rows
SELECT "Tä%%ble.%%s %%(low)s".ctid::text, "Tä%%ble.%%s %%(low)s".xmin::text, "Tä%%ble.%%s %%(low)s"."Üser %%", "Tä%%ble.%%s %%(low)s"."100%%"
FROM ONLY "We.ird ""Schema"""."Tä%%ble.%%s %%(low)s"
WHERE "Tä%%ble.%%s %%(low)s".ctid >= %(low)s::tid AND "Tä%%ble.%%s %%(low)s".ctid < %(high)s::tid AND (%(mask)s::bigint >> (get_byte(tidsend("Tä%%ble.%%s %%(low)s".ctid), 5) & 63)) & 1 = 1 AND (
"100%%" IS NULL AND backfill_tid = '%%x'
)

-- rows_rest
SELECT "Tä%%ble.%%s %%(low)s".ctid::text, "Tä%%ble.%%s %%(low)s".xmin::text, "Tä%%ble.%%s %%(low)s"."Üser %%", "Tä%%ble.%%s %%(low)s"."100%%"
FROM ONLY "We.ird ""Schema"""."Tä%%ble.%%s %%(low)s"
WHERE "Tä%%ble.%%s %%(low)s".ctid >= %(low)s::tid AND "Tä%%ble.%%s %%(low)s".ctid < %(high)s::tid AND (
"100%%" IS NULL AND backfill_tid = '%%x'
)
