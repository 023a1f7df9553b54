-- profile
SELECT count(*) AS rows, count(*) FILTER (WHERE EXISTS (SELECT FROM "public"."users" AS "other" WHERE (
other.id = users.id + 1
) AND (
users.handle IS NULL
))) AS due,
avg(24 + CASE WHEN pg_column_size("users"."id") > 2000 THEN 18 ELSE coalesce(pg_column_size("users"."id"), 0) END + CASE WHEN pg_column_size("users"."username") > 2000 THEN 18 ELSE coalesce(pg_column_size("users"."username"), 0) END + CASE WHEN pg_column_size("users"."handle") > 2000 THEN 18 ELSE coalesce(pg_column_size("users"."handle"), 0) END) AS row_bytes,
NULL::numeric AS grown_bytes
FROM ONLY "public"."users"
WHERE "users".ctid >= %(low)s::tid AND "users".ctid < %(high)s::tid

-- scout
SELECT width_bucket(ctid, %(bounds)s::tid[]) - 1 AS slice,
(%(stripes)s::smallint[])[1 + (get_byte(tidsend("users".ctid), 5) & 63)] AS stripe, count(*) AS rows
FROM ONLY "public"."users"
WHERE "users".ctid >= %(low)s::tid AND "users".ctid < %(high)s::tid AND EXISTS (SELECT FROM "public"."users" AS "other" WHERE (
other.id = users.id + 1
) AND (
users.handle IS NULL
))
GROUP BY 1, 2

-- scout_again
SELECT width_bucket(ctid, %(bounds)s::tid[]) - 1 AS slice,
(%(stripes)s::smallint[])[1 + (get_byte(tidsend("users".ctid), 5) & 63)] AS stripe, count(*) AS rows
FROM ONLY "public"."users"
WHERE "users".ctid >= %(low)s::tid AND "users".ctid < %(high)s::tid AND EXISTS (SELECT FROM "public"."users" AS "other" WHERE (
other.id = users.id + 1
) AND (
users.handle IS NULL
) AND CASE WHEN "users".ctid >= '(0,0)' THEN (SELECT (
users.handle IS NULL
) FROM (SELECT "users"."id", "users"."username", (
other.username
)::character varying(63) AS "handle") AS "users") END IS NOT TRUE)
GROUP BY 1, 2

-- due
SELECT "users".ctid::text
FROM ONLY "public"."users"
WHERE "users".ctid >= %(low)s::tid AND "users".ctid < %(high)s::tid AND EXISTS (SELECT FROM "public"."users" AS "other" WHERE (
other.id = users.id + 1
) AND (
users.handle IS NULL
))
ORDER BY "users".ctid
LIMIT 8193

-- due_again
SELECT "users".ctid::text
FROM ONLY "public"."users"
WHERE "users".ctid >= %(low)s::tid AND "users".ctid < %(high)s::tid AND EXISTS (SELECT FROM "public"."users" AS "other" WHERE (
other.id = users.id + 1
) AND (
users.handle IS NULL
) AND CASE WHEN "users".ctid >= '(0,0)' THEN (SELECT (
users.handle IS NULL
) FROM (SELECT "users"."id", "users"."username", (
other.username
)::character varying(63) AS "handle") AS "users") END IS NOT TRUE)
ORDER BY "users".ctid
LIMIT 8193

-- due_of_stripe
SELECT "users".ctid::text
FROM ONLY "public"."users"
WHERE "users".ctid >= %(low)s::tid AND "users".ctid < %(high)s::tid AND (%(mask)s::bigint >> (get_byte(tidsend("users".ctid), 5) & 63)) & 1 = 1 AND EXISTS (SELECT FROM "public"."users" AS "other" WHERE (
other.id = users.id + 1
) AND (
users.handle IS NULL
))
ORDER BY "users".ctid
LIMIT 8193

-- update
WITH filled AS (
UPDATE ONLY "public"."users" SET "handle" = (
other.username
)
FROM "public"."users" AS "other"
WHERE "users".ctid >= %(low)s::tid AND "users".ctid < %(high)s::tid AND (%(mask)s::bigint >> (get_byte(tidsend("users".ctid), 5) & 63)) & 1 = 1 AND (
other.id = users.id + 1
) AND (
users.handle IS NULL
)
RETURNING CASE WHEN (
users.handle IS NULL
) THEN jsonb_build_object('id', "users"."id")::text END AS unconverged
)
SELECT count(*) AS rows, count(unconverged) AS rows_unconverged,
(array_agg(unconverged) FILTER (WHERE unconverged IS NOT NULL))[:5] AS samples
FROM filled

-- update_rest
WITH filled AS (
UPDATE ONLY "public"."users" SET "handle" = (
other.username
)
FROM "public"."users" AS "other"
WHERE "users".ctid >= %(low)s::tid AND "users".ctid < %(high)s::tid AND (
other.id = users.id + 1
) AND (
users.handle IS NULL
)
RETURNING CASE WHEN (
users.handle IS NULL
) THEN jsonb_build_object('id', "users"."id")::text END AS unconverged
)
SELECT count(*) AS rows, count(unconverged) AS rows_unconverged,
(array_agg(unconverged) FILTER (WHERE unconverged IS NOT NULL))[:5] AS samples
FROM filled

-- update_rows
WITH filled AS (
UPDATE ONLY "public"."users" SET "handle" = (
other.username
)
FROM "public"."users" AS "other"
WHERE "users".ctid = ANY (%(tids)s::tid[]) AND (
other.id = users.id + 1
) AND (
users.handle IS NULL
)
RETURNING CASE WHEN (
users.handle IS NULL
) THEN jsonb_build_object('id', "users"."id")::text END AS unconverged
)
SELECT count(*) AS rows, count(unconverged) AS rows_unconverged,
(array_agg(unconverged) FILTER (WHERE unconverged IS NOT NULL))[:5] AS samples
FROM filled

-- update_again
WITH filled AS (
UPDATE ONLY "public"."users" SET "handle" = (
other.username
)
FROM "public"."users" AS "other"
WHERE "users".ctid >= %(low)s::tid AND "users".ctid < %(high)s::tid AND (%(mask)s::bigint >> (get_byte(tidsend("users".ctid), 5) & 63)) & 1 = 1 AND (
other.id = users.id + 1
) AND (
users.handle IS NULL
) AND CASE WHEN "users".ctid >= '(0,0)' THEN (SELECT (
users.handle IS NULL
) FROM (SELECT "users"."id", "users"."username", (
other.username
)::character varying(63) AS "handle") AS "users") END IS NOT TRUE
RETURNING CASE WHEN (
users.handle IS NULL
) THEN jsonb_build_object('id', "users"."id")::text END AS unconverged
)
SELECT count(*) AS rows, count(unconverged) AS rows_unconverged,
(array_agg(unconverged) FILTER (WHERE unconverged IS NOT NULL))[:5] AS samples
FROM filled

-- update_rest_again
WITH filled AS (
UPDATE ONLY "public"."users" SET "handle" = (
other.username
)
FROM "public"."users" AS "other"
WHERE "users".ctid >= %(low)s::tid AND "users".ctid < %(high)s::tid AND (
other.id = users.id + 1
) AND (
users.handle IS NULL
) AND CASE WHEN "users".ctid >= '(0,0)' THEN (SELECT (
users.handle IS NULL
) FROM (SELECT "users"."id", "users"."username", (
other.username
)::character varying(63) AS "handle") AS "users") END IS NOT TRUE
RETURNING CASE WHEN (
users.handle IS NULL
) THEN jsonb_build_object('id', "users"."id")::text END AS unconverged
)
SELECT count(*) AS rows, count(unconverged) AS rows_unconverged,
(array_agg(unconverged) FILTER (WHERE unconverged IS NOT NULL))[:5] AS samples
FROM filled

-- update_rows_again
WITH filled AS (
UPDATE ONLY "public"."users" SET "handle" = (
other.username
)
FROM "public"."users" AS "other"
WHERE "users".ctid = ANY (%(tids)s::tid[]) AND (
other.id = users.id + 1
) AND (
users.handle IS NULL
) AND CASE WHEN "users".ctid >= '(0,0)' THEN (SELECT (
users.handle IS NULL
) FROM (SELECT "users"."id", "users"."username", (
other.username
)::character varying(63) AS "handle") AS "users") END IS NOT TRUE
RETURNING CASE WHEN (
users.handle IS NULL
) THEN jsonb_build_object('id', "users"."id")::text END AS unconverged
)
SELECT count(*) AS rows, count(unconverged) AS rows_unconverged,
(array_agg(unconverged) FILTER (WHERE unconverged IS NOT NULL))[:5] AS samples
FROM filled

-- verify
SELECT found.rows_left, found.rows_rejected, CASE WHEN found.rows_left > 0 THEN found.rows_left - found.rows_rejected - (
SELECT count(*) FROM ONLY "public"."users"
WHERE NOT ctid = ANY (%(rejected)s::tid[]) AND EXISTS (SELECT FROM "public"."users" AS "other" WHERE (
other.id = users.id + 1
) AND (
users.handle IS NULL
) AND CASE WHEN "users".ctid >= '(0,0)' THEN (SELECT (
users.handle IS NULL
) FROM (SELECT "users"."id", "users"."username", (
other.username
)::character varying(63) AS "handle") AS "users") END IS NOT TRUE)
) ELSE 0 END AS rows_unconverged,
CASE WHEN found.rows_left > 0 THEN found.rows_left - (
SELECT count(*) FROM ONLY "public"."users"
WHERE EXISTS (SELECT FROM "public"."users" AS "other" WHERE (
other.id = users.id + 1
) AND (
users.handle IS NULL
))
) ELSE 0 END AS rows_without_partner,
ARRAY(SELECT jsonb_build_object('id', "sampled"."id")::text FROM ONLY "public"."users" AS sampled WHERE sampled.ctid = ANY (found.tids) LIMIT 5) AS samples
FROM (
SELECT coalesce(sum(rows), 0)::bigint AS rows_left, coalesce(sum(rejected), 0)::bigint AS rows_rejected,
array_agg(tid) AS tids
FROM (
SELECT count(*) AS rows, count(*) FILTER (WHERE ctid = ANY (%(rejected)s::tid[])) AS rejected, min(ctid) FILTER (WHERE NOT ctid = ANY (%(rejected)s::tid[])) AS tid
FROM ONLY "public"."users"
WHERE (
users.handle IS NULL
)
GROUP BY hashtid(ctid) & 7
) AS parts
) AS found

-- sample_before
SELECT ctid::text, jsonb_build_object('id', "users"."id")::text, jsonb_build_object('handle', "users"."handle")::text
FROM ONLY "public"."users"
WHERE "users".ctid >= %(low)s::tid AND "users".ctid < %(high)s::tid AND EXISTS (SELECT FROM "public"."users" AS "other" WHERE (
other.id = users.id + 1
) AND (
users.handle IS NULL
))
LIMIT 1

-- sample_after
UPDATE ONLY "public"."users" SET "handle" = (
other.username
)
FROM "public"."users" AS "other"
WHERE "users".ctid = %(tid)s::tid AND (
other.id = users.id + 1
) AND (
users.handle IS NULL
)
RETURNING jsonb_build_object('handle', "users"."handle")::text

-- row_key
SELECT jsonb_build_object('id', "users"."id")::text
FROM ONLY "public"."users"
WHERE "users".ctid = %(tid)s::tid

-- row_again
SELECT "users".ctid::text
FROM ONLY "public"."users"
WHERE ("users"."id") = (SELECT kept."id" FROM jsonb_populate_record(NULL::"public"."users", %(key)s::jsonb) AS kept) AND EXISTS (SELECT FROM "public"."users" AS "other" WHERE (
other.id = users.id + 1
) AND (
users.handle IS NULL
))

-- kept
SELECT "users".ctid::text
FROM ONLY "public"."users"
WHERE "users".ctid = ANY (%(tids)s::tid[]) AND (
users.handle IS NULL
)

-- row_values
SELECT left(jsonb_build_object('handle', (
other.username
))::text, 500)
FROM ONLY "public"."users", "public"."users" AS "other"
WHERE "users".ctid = %(tid)s::tid AND (
other.id = users.id + 1
) AND (
users.handle IS NULL
)
LIMIT 1
