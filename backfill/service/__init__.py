"""One process: wires engine, postgres and observe. `app` runs jobs, `job_directory` reads their files.

`serve` is the daemon's loop, `served_jobs` what it knows of the files of its directory, `run_activity` of the job at
work.

`shutdown` turns signals into an orderly end, `stdio` repairs standard streams, `http` serves metrics while jobs run.
May import everything but `cli`.

Imports `engine`, `postgres` and `observe`. To add something that runs alongside the jobs: a coroutine that the command
gives to `background.run_with_background`; it ends with the jobs.
"""
