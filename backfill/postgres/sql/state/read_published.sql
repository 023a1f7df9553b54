-- The publications that would send the state tables to subscribers, which stop if they do not have them; none if somebody
-- has said that they have.
SELECT 'publication ' || string_agg(quote_ident(p.pubname), ', ' ORDER BY p.pubname)
    || ' publishes schema backfill, and a subscriber without it stops; publish a list of tables instead, or create the'
    || ' schema on each subscriber (backfill init --print | psql SUBSCRIBER) and then run: backfill init --published' AS finding
FROM pg_catalog.pg_publication p
WHERE current_setting('wal_level') = 'logical'
  AND NOT EXISTS (SELECT FROM backfill.version v WHERE v.published)
  AND (
      p.puballtables
      OR EXISTS (
          SELECT
          FROM pg_catalog.pg_depend d
          JOIN pg_catalog.pg_depend published ON published.classid = d.classid AND published.objid = d.objid
          LEFT JOIN pg_catalog.pg_class c ON published.refclassid = 'pg_catalog.pg_class'::regclass
              AND c.oid = published.refobjid
          WHERE d.refclassid = 'pg_catalog.pg_publication'::regclass AND d.refobjid = p.oid
            -- The second one is of PostgreSQL 15 and later.
            AND d.classid IN (to_regclass('pg_catalog.pg_publication_rel'), to_regclass('pg_catalog.pg_publication_namespace'))
            AND (
                c.relnamespace = to_regnamespace('backfill')
                OR published.refclassid = 'pg_catalog.pg_namespace'::regclass
                    AND published.refobjid = to_regnamespace('backfill')
            )
      )
  )
HAVING count(*) > 0
