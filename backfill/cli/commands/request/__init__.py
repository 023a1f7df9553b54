"""What people ask of jobs through the database, one file a command: pause, resume, cancel, forget.

`ask` is what the first three share. What a request leads to is decided in `backfill/request/answer.py`.

Imports `cli` and below. To add a command: a file with one function and its `EPILOG`, registered in `cli/root.py`.
"""
