-- Migration {number}, if the schema has not had it.
DO $migration$
BEGIN
    IF EXISTS (SELECT FROM backfill.version WHERE number >= {number}) THEN
        RETURN;
    END IF;

{statements}
    UPDATE backfill.version SET number = {number}, applied_at = now(), applied_by = current_user;
END
$migration$;
