-- What a batch is measured by, read before and after it: the WAL position, and this session's HOT updates of the
-- table so far (not yet flushed ones of earlier batches among them, hence the difference). And who runs it,
-- and whether row security has come to hide rows from it.
SELECT
    pg_backend_pid() AS pid,
    pg_current_xact_id_if_assigned()::text::bigint AS xid,
    pg_wal_lsn_diff(pg_current_wal_insert_lsn(), '0/0')::bigint AS position,
    pg_stat_get_xact_tuples_hot_updated(%(table_oid)s)::bigint AS rows_hot,
    row_security_active(%(table_oid)s::oid) AS rows_hidden
