-- Somebody has said that each subscriber has this schema, too: its tables may be published.
UPDATE backfill.version SET published = true;
