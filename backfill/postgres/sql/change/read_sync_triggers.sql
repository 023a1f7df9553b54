-- The function of a job's trigger, whether it is as it was made, from which definition that was, and the tables that have the trigger by themselves,
-- not as a partition's copy.
SELECT
    md5(p.prosrc) = j.sync_trigger ->> 'body' AS as_made,
    j.sync_trigger ->> 'definition' AS definition,
    ARRAY(
        SELECT ARRAY[n.nspname::text, c.relname::text, t.tgname::text]
        FROM pg_trigger t
        JOIN pg_class c ON c.oid = t.tgrelid
        JOIN pg_namespace n ON n.oid = c.relnamespace
        WHERE t.tgfoid = p.oid AND t.tgparentid = 0
        ORDER BY 1
    ) AS triggers
FROM pg_proc p
LEFT JOIN backfill.job j ON j.name = %(job)s
WHERE p.pronamespace = to_regnamespace('backfill') AND p.proname = %(function)s
