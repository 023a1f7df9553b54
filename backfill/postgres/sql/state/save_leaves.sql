-- How many tables a job fills, and how many pages they have together.
UPDATE backfill.job SET leaves = %(leaves)s, pages = %(pages)s WHERE name = %(job)s
