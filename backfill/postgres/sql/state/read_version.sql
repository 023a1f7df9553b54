-- The number of the last migration.
SELECT number FROM backfill.version
