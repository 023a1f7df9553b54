-- Everything that our WAL can hurt, in one round trip; NULL where it cannot be observed.
WITH here AS (
    SELECT pg_current_wal_insert_lsn() AS insert_lsn, pg_current_wal_flush_lsn() AS flush_lsn
)
SELECT
    pg_wal_lsn_diff(here.insert_lsn, '0/0')::bigint AS insert_lsn,
    pg_wal_lsn_diff(here.flush_lsn, '0/0')::bigint AS flush_lsn,
    pg_has_role('pg_read_all_stats', 'USAGE') AS visible,
    to_char(clock_timestamp() AT TIME ZONE 'UTC', 'YYYY-MM-DD HH24:MI') || ' UTC' AS at,
    (
        -- Standbys with the same name are distinguished by their address; the first keeps the plain name, else that name
        -- would be missed as soon as a second standby comes with it.
        SELECT coalesce(jsonb_agg(jsonb_build_object(
            'name', r.application_name
                || CASE WHEN r.of_name > 1 THEN '@' || coalesce(host(r.client_addr), 'local') ELSE '' END
                || CASE WHEN r.of_address > 1 THEN '#' || r.of_address ELSE '' END,
            'application_name', r.application_name,
            'address', coalesce(host(r.client_addr), 'local'),
            'state', r.state,
            'replay_lsn', pg_wal_lsn_diff(r.replay_lsn, '0/0')::bigint,
            'sync', coalesce(r.sync_state IN ('sync', 'quorum'), false)
        ) ORDER BY r.application_name, r.of_name), '[]')
        FROM (
            SELECT s.*,
                row_number() OVER (PARTITION BY s.application_name ORDER BY s.client_addr, s.pid) AS of_name,
                row_number() OVER (PARTITION BY s.application_name, s.client_addr ORDER BY s.pid) AS of_address
            FROM pg_stat_replication s
            -- Base backups, and connections that do not stream yet: for hours, when a subscription copies its tables.
            WHERE coalesce(s.state, '') NOT IN ('backup', 'startup')
              -- One that writes and never replays is not a standby: pg_receivewal, and the WAL stream of pg_basebackup.
              -- Neither says anything with --status-interval=0, and then it is known by its name.
              AND (s.replay_lsn IS NOT NULL OR s.write_lsn IS NULL
                   AND s.application_name NOT IN ('pg_basebackup', 'pg_receivewal'))
              AND NOT EXISTS (SELECT FROM pg_replication_slots l WHERE l.active_pid = s.pid AND l.slot_type = 'logical')
        ) r
    ) AS replicas,
    (
        SELECT coalesce(jsonb_agg(jsonb_build_object(
            'name', l.slot_name,
            'wal_status', l.wal_status,
            'retained_bytes', pg_wal_lsn_diff(here.insert_lsn, l.restart_lsn)::bigint,
            'unconfirmed_bytes', pg_wal_lsn_diff(here.insert_lsn, l.confirmed_flush_lsn)::bigint,
            'safe_bytes', l.safe_wal_size
        ) ORDER BY l.slot_name), '[]')
        FROM pg_replication_slots l
    ) AS slots,
    CASE WHEN current_setting('archive_mode') IN ('on', 'always') THEN (
        SELECT jsonb_build_object(
            'backlog_bytes', pg_size_bytes(current_setting('wal_segment_size'))
                * (SELECT count(*) FROM pg_ls_archive_statusdir() f WHERE f.name LIKE '%.ready'),
            'failing', coalesce(a.last_failed_time > a.last_archived_time, a.last_failed_time IS NOT NULL)
        )
        FROM pg_stat_archiver a
    ) END AS archiver
FROM here
