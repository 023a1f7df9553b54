-- --restart: the checkpoint goes, rows that are filled stay filled.
DELETE FROM backfill.scan WHERE job = %(job)s
