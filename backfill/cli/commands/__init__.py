"""One file a command: its options, its exit codes, what it prints.

Each has one function, registered in `cli/root.py`, and an `EPILOG` with its exit codes for `--help`. What takes long to
import is imported in the function.

Imports `cli`'s options and output, `service` and what is below. To add a command see the docstring of `cli`.
"""
