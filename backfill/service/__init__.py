"""One process: wires engine, postgres and observe. `app` runs jobs, `job_directory` is the daemon's loop over files.

`shutdown` turns signals into an orderly end, `stdio` repairs standard streams, `http` serves metrics while jobs run.
May import everything but `cli`.
"""
