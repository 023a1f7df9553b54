-- Whether a table is there, and whether it is another one's partition or child, at whatever distance.
WITH RECURSIVE above AS (
    SELECT to_regclass(%(leaf)s)::oid AS oid
    UNION
    SELECT i.inhparent FROM pg_inherits i JOIN above a ON a.oid = i.inhrelid WHERE NOT i.inhdetachpending
)
SELECT to_regclass(%(leaf)s) IS NOT NULL AS exists, coalesce(bool_or(oid = to_regclass(%(root)s)), false) AS is_leaf FROM above
