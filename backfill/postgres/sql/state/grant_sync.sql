-- For jobs with `sync: trigger`, which also need to own their table (GRANT its owner TO {role}):
GRANT CREATE ON SCHEMA backfill TO {role};
