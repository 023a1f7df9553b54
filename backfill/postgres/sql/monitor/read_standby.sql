-- A replica asked itself: how far it is, and how far those are that follow it.
SELECT
    pg_is_in_recovery() AS in_recovery,
    pg_wal_lsn_diff(pg_last_wal_replay_lsn(), '0/0')::bigint AS replay_lsn,
    (
        SELECT coalesce(jsonb_agg(jsonb_build_object(
            'name', r.application_name,
            'state', r.state,
            'replay_lsn', pg_wal_lsn_diff(r.replay_lsn, '0/0')::bigint
        ) ORDER BY r.application_name, r.pid), '[]')
        FROM pg_stat_replication r
        WHERE coalesce(r.state, '') NOT IN ('backup', 'startup') AND (r.write_lsn IS NULL OR r.replay_lsn IS NOT NULL)
    ) AS followers
