-- profile
SELECT count(*) AS rows, count(*) FILTER (WHERE (
handle IS NULL OR handle = ''
)) AS due,
avg(24 + CASE WHEN pg_column_size("users"."tenant") > 2000 THEN 18 ELSE coalesce(pg_column_size("users"."tenant"), 0) END + CASE WHEN pg_column_size("users"."Id") > 2000 THEN 18 ELSE coalesce(pg_column_size("users"."Id"), 0) END + CASE WHEN pg_column_size("users"."id") > 2000 THEN 18 ELSE coalesce(pg_column_size("users"."id"), 0) END + CASE WHEN pg_column_size("users"."username") > 2000 THEN 18 ELSE coalesce(pg_column_size("users"."username"), 0) END + CASE WHEN pg_column_size("users"."handle") > 2000 THEN 18 ELSE coalesce(pg_column_size("users"."handle"), 0) END) AS row_bytes,
avg(least(pg_column_size(ROW((
lower(username)
)::character varying(63))), 2000) - least(pg_column_size(ROW("users"."handle")), 2000) + least(pg_column_size(ROW((
NULL
)::text)), 2000) - least(pg_column_size(ROW("users"."username")), 2000)) FILTER (WHERE (
handle IS NULL OR handle = ''
)) AS grown_bytes
FROM ONLY "public"."users"
WHERE "users".ctid >= %(low)s::tid AND "users".ctid < %(high)s::tid

-- scout
SELECT width_bucket(ctid, %(bounds)s::tid[]) - 1 AS slice,
(%(stripes)s::smallint[])[1 + (get_byte(tidsend("users".ctid), 5) & 63)] AS stripe, count(*) AS rows
FROM ONLY "public"."users"
WHERE "users".ctid >= %(low)s::tid AND "users".ctid < %(high)s::tid AND (
handle IS NULL OR handle = ''
)
GROUP BY 1, 2

-- scout_again
SELECT width_bucket(ctid, %(bounds)s::tid[]) - 1 AS slice,
(%(stripes)s::smallint[])[1 + (get_byte(tidsend("users".ctid), 5) & 63)] AS stripe, count(*) AS rows
FROM ONLY "public"."users"
WHERE "users".ctid >= %(low)s::tid AND "users".ctid < %(high)s::tid AND (
handle IS NULL OR handle = ''
) AND (SELECT (
handle IS NULL OR handle = ''
) FROM (SELECT "users"."tenant", "users"."Id", "users"."id", (
NULL
)::text AS "username", (
lower(username)
)::character varying(63) AS "handle") AS "users") IS NOT TRUE
GROUP BY 1, 2

-- due
SELECT "users".ctid::text
FROM ONLY "public"."users"
WHERE "users".ctid >= %(low)s::tid AND "users".ctid < %(high)s::tid AND (
handle IS NULL OR handle = ''
)
ORDER BY "users".ctid
LIMIT 8193

-- due_again
SELECT "users".ctid::text
FROM ONLY "public"."users"
WHERE "users".ctid >= %(low)s::tid AND "users".ctid < %(high)s::tid AND (
handle IS NULL OR handle = ''
) AND (SELECT (
handle IS NULL OR handle = ''
) FROM (SELECT "users"."tenant", "users"."Id", "users"."id", (
NULL
)::text AS "username", (
lower(username)
)::character varying(63) AS "handle") AS "users") IS NOT TRUE
ORDER BY "users".ctid
LIMIT 8193

-- due_of_stripe
SELECT "users".ctid::text
FROM ONLY "public"."users"
WHERE "users".ctid >= %(low)s::tid AND "users".ctid < %(high)s::tid AND (%(mask)s::bigint >> (get_byte(tidsend("users".ctid), 5) & 63)) & 1 = 1 AND (
handle IS NULL OR handle = ''
)
ORDER BY "users".ctid
LIMIT 8193

-- update
WITH filled AS (
UPDATE ONLY "public"."users" SET "handle" = (
lower(username)
), "username" = (
NULL
)
WHERE "users".ctid >= %(low)s::tid AND "users".ctid < %(high)s::tid AND (%(mask)s::bigint >> (get_byte(tidsend("users".ctid), 5) & 63)) & 1 = 1 AND (
handle IS NULL OR handle = ''
)
RETURNING CASE WHEN (
handle IS NULL OR handle = ''
) THEN jsonb_build_object('tenant', "users"."tenant", 'Id', "users"."Id")::text END AS unconverged
)
SELECT count(*) AS rows, count(unconverged) AS rows_unconverged,
(array_agg(unconverged) FILTER (WHERE unconverged IS NOT NULL))[:5] AS samples
FROM filled

-- update_rest
WITH filled AS (
UPDATE ONLY "public"."users" SET "handle" = (
lower(username)
), "username" = (
NULL
)
WHERE "users".ctid >= %(low)s::tid AND "users".ctid < %(high)s::tid AND (
handle IS NULL OR handle = ''
)
RETURNING CASE WHEN (
handle IS NULL OR handle = ''
) THEN jsonb_build_object('tenant', "users"."tenant", 'Id', "users"."Id")::text END AS unconverged
)
SELECT count(*) AS rows, count(unconverged) AS rows_unconverged,
(array_agg(unconverged) FILTER (WHERE unconverged IS NOT NULL))[:5] AS samples
FROM filled

-- update_rows
WITH filled AS (
UPDATE ONLY "public"."users" SET "handle" = (
lower(username)
), "username" = (
NULL
)
WHERE "users".ctid = ANY (%(tids)s::tid[]) AND (
handle IS NULL OR handle = ''
)
RETURNING CASE WHEN (
handle IS NULL OR handle = ''
) THEN jsonb_build_object('tenant', "users"."tenant", 'Id', "users"."Id")::text END AS unconverged
)
SELECT count(*) AS rows, count(unconverged) AS rows_unconverged,
(array_agg(unconverged) FILTER (WHERE unconverged IS NOT NULL))[:5] AS samples
FROM filled

-- update_again
WITH filled AS (
UPDATE ONLY "public"."users" SET "handle" = (
lower(username)
), "username" = (
NULL
)
WHERE "users".ctid >= %(low)s::tid AND "users".ctid < %(high)s::tid AND (%(mask)s::bigint >> (get_byte(tidsend("users".ctid), 5) & 63)) & 1 = 1 AND (
handle IS NULL OR handle = ''
) AND (SELECT (
handle IS NULL OR handle = ''
) FROM (SELECT "users"."tenant", "users"."Id", "users"."id", (
NULL
)::text AS "username", (
lower(username)
)::character varying(63) AS "handle") AS "users") IS NOT TRUE
RETURNING CASE WHEN (
handle IS NULL OR handle = ''
) THEN jsonb_build_object('tenant', "users"."tenant", 'Id', "users"."Id")::text END AS unconverged
)
SELECT count(*) AS rows, count(unconverged) AS rows_unconverged,
(array_agg(unconverged) FILTER (WHERE unconverged IS NOT NULL))[:5] AS samples
FROM filled

-- update_rest_again
WITH filled AS (
UPDATE ONLY "public"."users" SET "handle" = (
lower(username)
), "username" = (
NULL
)
WHERE "users".ctid >= %(low)s::tid AND "users".ctid < %(high)s::tid AND (
handle IS NULL OR handle = ''
) AND (SELECT (
handle IS NULL OR handle = ''
) FROM (SELECT "users"."tenant", "users"."Id", "users"."id", (
NULL
)::text AS "username", (
lower(username)
)::character varying(63) AS "handle") AS "users") IS NOT TRUE
RETURNING CASE WHEN (
handle IS NULL OR handle = ''
) THEN jsonb_build_object('tenant', "users"."tenant", 'Id', "users"."Id")::text END AS unconverged
)
SELECT count(*) AS rows, count(unconverged) AS rows_unconverged,
(array_agg(unconverged) FILTER (WHERE unconverged IS NOT NULL))[:5] AS samples
FROM filled

-- update_rows_again
WITH filled AS (
UPDATE ONLY "public"."users" SET "handle" = (
lower(username)
), "username" = (
NULL
)
WHERE "users".ctid = ANY (%(tids)s::tid[]) AND (
handle IS NULL OR handle = ''
) AND (SELECT (
handle IS NULL OR handle = ''
) FROM (SELECT "users"."tenant", "users"."Id", "users"."id", (
NULL
)::text AS "username", (
lower(username)
)::character varying(63) AS "handle") AS "users") IS NOT TRUE
RETURNING CASE WHEN (
handle IS NULL OR handle = ''
) THEN jsonb_build_object('tenant', "users"."tenant", 'Id', "users"."Id")::text END AS unconverged
)
SELECT count(*) AS rows, count(unconverged) AS rows_unconverged,
(array_agg(unconverged) FILTER (WHERE unconverged IS NOT NULL))[:5] AS samples
FROM filled

-- verify
SELECT found.rows_left, found.rows_rejected, found.rows_unconverged, 0 AS rows_without_partner,
ARRAY(SELECT jsonb_build_object('tenant', "sampled"."tenant", 'Id', "sampled"."Id")::text FROM ONLY "public"."users" AS sampled WHERE sampled.ctid = ANY (found.tids) LIMIT 5) AS samples
FROM (
SELECT coalesce(sum(rows), 0)::bigint AS rows_left, coalesce(sum(rejected), 0)::bigint AS rows_rejected,
array_agg(tid) AS tids, coalesce(sum(stuck), 0)::bigint AS rows_unconverged
FROM (
SELECT count(*) AS rows, count(*) FILTER (WHERE ctid = ANY (%(rejected)s::tid[])) AS rejected, min(ctid) FILTER (WHERE NOT ctid = ANY (%(rejected)s::tid[])) AS tid,
count(*) FILTER (WHERE CASE WHEN ctid = ANY (%(rejected)s::tid[]) THEN false ELSE (SELECT (
handle IS NULL OR handle = ''
) FROM (SELECT "users"."tenant", "users"."Id", "users"."id", (
NULL
)::text AS "username", (
lower(username)
)::character varying(63) AS "handle") AS "users") IS TRUE END) AS stuck
FROM ONLY "public"."users"
WHERE (
handle IS NULL OR handle = ''
)
GROUP BY hashtid(ctid) & 7
) AS parts
) AS found

-- sample_before
SELECT ctid::text, jsonb_build_object('tenant', "users"."tenant", 'Id', "users"."Id")::text, jsonb_build_object('handle', "users"."handle", 'username', "users"."username")::text
FROM ONLY "public"."users"
WHERE "users".ctid >= %(low)s::tid AND "users".ctid < %(high)s::tid AND (
handle IS NULL OR handle = ''
)
LIMIT 1

-- sample_after
UPDATE ONLY "public"."users" SET "handle" = (
lower(username)
), "username" = (
NULL
)
WHERE "users".ctid = %(tid)s::tid AND (
handle IS NULL OR handle = ''
)
RETURNING jsonb_build_object('handle', "users"."handle", 'username', "users"."username")::text

-- row_key
SELECT jsonb_build_object('tenant', "users"."tenant", 'Id', "users"."Id")::text
FROM ONLY "public"."users"
WHERE "users".ctid = %(tid)s::tid

-- row_again
SELECT "users".ctid::text
FROM ONLY "public"."users"
WHERE ("users"."tenant", "users"."Id") = (SELECT kept."tenant", kept."Id" FROM jsonb_populate_record(NULL::"public"."users", %(key)s::jsonb) AS kept) AND (
handle IS NULL OR handle = ''
)

-- kept
SELECT "users".ctid::text
FROM ONLY "public"."users"
WHERE "users".ctid = ANY (%(tids)s::tid[]) AND (
handle IS NULL OR handle = ''
)

-- row_values
SELECT left(jsonb_build_object('handle', (
lower(username)
), 'username', (
NULL
))::text, 500)
FROM ONLY "public"."users"
WHERE "users".ctid = %(tid)s::tid AND (
handle IS NULL OR handle = ''
)
LIMIT 1
