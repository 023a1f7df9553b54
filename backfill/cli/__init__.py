"""The command line: options, exit codes and output. Nothing else prints, but the terminal's view.

`commands/` has one file a command. `root.py` registers them and turns errors into exit codes, `options.py` has the
options that commands share, `output.py` prints JSON lines, events and errors. May import everything below.

To add a command: write `commands/<name>.py` with one function and its `EPILOG`, and register it in `root.py`. What is
slow to import belongs into the function, so that `backfill --help` stays fast.
"""
