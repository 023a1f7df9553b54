-- The state schema, and the table with the number of the last migration; a schema without it had none.
DO $create$
BEGIN
    -- Not CREATE SCHEMA IF NOT EXISTS: that takes CREATE on the database even if the schema exists.
    IF to_regnamespace('backfill') IS NULL THEN
        CREATE SCHEMA backfill;
        COMMENT ON SCHEMA backfill IS 'state of backfill jobs, beside the data, so that a checkpoint commits with its batch';
    END IF;
    IF to_regclass('backfill.version') IS NULL THEN
        CREATE TABLE backfill.version (
            number     integer PRIMARY KEY,
            applied_at timestamptz NOT NULL DEFAULT now(),
            applied_by text NOT NULL DEFAULT current_user,
            published  boolean NOT NULL DEFAULT false
        );
        COMMENT ON TABLE backfill.version IS 'one row: the last migration of this schema; published says that subscribers have it, too';
        GRANT SELECT ON backfill.version TO public;
        INSERT INTO backfill.version (number) VALUES (0);
    END IF;
END
$create$;
