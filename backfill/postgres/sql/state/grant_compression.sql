-- PostgreSQL 15 or later, if you like: the worker may compress the full-page images of its own batches, which costs CPU.
GRANT SET ON PARAMETER wal_compression TO {role};
