-- Which of these tables a publication sends updates of, by name, by schema, by all tables, or with a table above them.
WITH RECURSIVE above AS (
    SELECT t.oid AS leaf, t.oid FROM unnest(%(oids)s::oid[]) AS t (oid)
    UNION
    SELECT a.leaf, i.inhparent FROM above a JOIN pg_catalog.pg_inherits i ON i.inhrelid = a.oid
), published AS (
    SELECT p.pubname, p.puballtables, object.refclassid, object.refobjid
    FROM pg_catalog.pg_publication p
    LEFT JOIN pg_catalog.pg_depend member ON member.refclassid = 'pg_catalog.pg_publication'::regclass
        AND member.refobjid = p.oid
    LEFT JOIN pg_catalog.pg_depend object ON object.classid = member.classid AND object.objid = member.objid
        AND object.refclassid IN ('pg_catalog.pg_class'::regclass, 'pg_catalog.pg_namespace'::regclass)
    WHERE p.pubupdate
)
SELECT n.nspname AS schema, c.relname AS name, string_agg(DISTINCT quote_ident(p.pubname), ', ') AS publications
FROM above a
JOIN pg_catalog.pg_class above_class ON above_class.oid = a.oid
JOIN published p ON p.puballtables
    OR p.refclassid = 'pg_catalog.pg_class'::regclass AND p.refobjid = a.oid
    OR p.refclassid = 'pg_catalog.pg_namespace'::regclass AND p.refobjid = above_class.relnamespace
JOIN pg_catalog.pg_class c ON c.oid = a.leaf
JOIN pg_catalog.pg_namespace n ON n.oid = c.relnamespace
WHERE c.relkind = 'r'
GROUP BY n.nspname, c.relname
ORDER BY n.nspname, c.relname
