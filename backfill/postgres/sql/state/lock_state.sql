-- Of several sessions that migrate at once, one does it and the others wait, but not for long.
SET LOCAL search_path = pg_catalog, pg_temp;
SET LOCAL lock_timeout = '3s';
SELECT pg_advisory_xact_lock({key});
