-- The identifier of a sequence, NULL if there is none of this name.
SELECT to_regclass(%(name)s)::oid::bigint AS oid
