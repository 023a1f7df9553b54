-- The trigger of a job on a table, as a proof needs it: what changes when anybody touches it, whether it is as it was
-- made, whether it fires last and for everybody, and how many writes it could not fill. No row if there is none.
SELECT
    concat_ws(' ', t.oid, t.xmin, p.oid, p.xmin) AS identity,
    t.tgenabled = 'A' AS always,
    NOT EXISTS (
        SELECT FROM pg_trigger later
        WHERE later.tgrelid = t.tgrelid AND later.tgname > t.tgname AND later.tgtype & 3 = 3 AND later.tgtype & 20 <> 0 AND later.tgenabled <> 'D'
    ) AS last,
    coalesce(md5(p.prosrc) = j.sync_trigger ->> 'body', false) AS as_made,
    t.tgqual IS NOT NULL AS conditional,
    CASE WHEN has_sequence_privilege(to_regclass(format('backfill.%%I', p.proname))::oid, 'USAGE') THEN
        coalesce(pg_sequence_last_value(to_regclass(format('backfill.%%I', p.proname))), 0)
    END AS rows_missed,
    (j.sync_trigger ->> 'rows_missed')::bigint AS rows_missed_before
FROM pg_trigger t
JOIN pg_proc p ON p.oid = t.tgfoid
JOIN backfill.job j ON j.name = %(job)s
WHERE t.tgrelid = %(table_oid)s::oid
  AND p.pronamespace = to_regnamespace('backfill') AND p.proname = %(function)s
