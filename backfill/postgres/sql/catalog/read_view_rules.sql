-- The rules of views of this session, with the query as the server has parsed it.
SELECT r.oid::bigint AS oid, r.ev_action::text AS query
FROM unnest(%(views)s::text[]) AS v (name)
JOIN pg_rewrite r ON r.ev_class = to_regclass('pg_temp.' || v.name)
