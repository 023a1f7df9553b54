-- What people ask of jobs is kept, with who, when and why. The kind of what a job waits for, and tuned limits with an end.
CREATE TABLE backfill.request (
    job    text NOT NULL REFERENCES backfill.job ON DELETE CASCADE,
    number bigint GENERATED ALWAYS AS IDENTITY,
    at     timestamptz NOT NULL DEFAULT clock_timestamp(),
    role   text NOT NULL DEFAULT session_user,
    client text,
    action text NOT NULL CHECK (action IN ('pause', 'resume', 'cancel', 'restart', 'tune')),
    until  timestamptz,
    reason text,
    limits jsonb,
    PRIMARY KEY (job, number)
);
COMMENT ON TABLE backfill.request IS 'what people asked of each job, the last 1,000: pause, resume, cancel, tune; the last one that is not tune holds, until its end; role is who the server says it was, client what the command says';

ALTER TABLE backfill.job ADD COLUMN waits_for text;
ALTER TABLE backfill.job ADD COLUMN tuned_until jsonb NOT NULL DEFAULT '{}';
ALTER TABLE backfill.job DROP CONSTRAINT IF EXISTS job_state_check;
ALTER TABLE backfill.job ADD CONSTRAINT job_state_check
    CHECK (state IN ('running', 'done', 'unconverged', 'stopped', 'cancelled', 'halted', 'failed'));
