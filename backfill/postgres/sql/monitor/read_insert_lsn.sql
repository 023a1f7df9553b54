-- Where the primary writes now; the position and the same as a byte count.
SELECT pg_current_wal_insert_lsn()::text AS lsn, pg_wal_lsn_diff(pg_current_wal_insert_lsn(), '0/0')::bigint AS position
