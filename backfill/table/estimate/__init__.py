"""What of a table is estimated: rows to do by a sample of pages, where they are, and how far a job has come."""
