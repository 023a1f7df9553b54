-- How long a job will still fill, as its last batch left it: the worker's own estimate, which status shows.
ALTER TABLE backfill.batch ADD COLUMN eta_low_s real;
ALTER TABLE backfill.batch ADD COLUMN eta_high_s real;

-- What a job did, by the minute for a day and by the hour for a year, in rings: enough for a report at any time.
CREATE TABLE backfill.history (
    job            text NOT NULL REFERENCES backfill.job ON DELETE CASCADE,
    span_s         integer NOT NULL,
    ring           integer NOT NULL,
    at             timestamptz NOT NULL,
    batches        bigint NOT NULL,
    rows           bigint NOT NULL,
    rows_hot       bigint NOT NULL,
    wal_bytes      bigint NOT NULL,
    batch_rows_max integer NOT NULL,
    waits          jsonb NOT NULL,
    signals        jsonb NOT NULL,
    PRIMARY KEY (job, span_s, ring)
) WITH (fillfactor = 50);
COMMENT ON TABLE backfill.history IS 'what each job did, by the minute for a day and by the hour for a year: waits has seconds by kind, signals the worst value and the limit of each signal, by measure and subject';
