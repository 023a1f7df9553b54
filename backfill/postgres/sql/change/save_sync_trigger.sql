-- The trigger that was just made: writers that it does not know have ended, so the count of writes is theirs no longer.
UPDATE backfill.job
SET sync_trigger = pg_catalog.jsonb_build_object(
    'name', {name}, 'function', {function}, 'body', pg_catalog.md5({body}), 'definition', {definition}, 'made_at', pg_catalog.now(),
    'rows_missed', coalesce(pg_catalog.pg_sequence_last_value({missed}::pg_catalog.regclass), 0)
)
WHERE name OPERATOR(pg_catalog.=) {job}
