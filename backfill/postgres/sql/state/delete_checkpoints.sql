-- --restart: the checkpoint goes, rows that are filled stay filled.
DELETE FROM backfill.checkpoint WHERE job = %(job)s
