"""What every package may use: units, names in SQL, texts in messages, redaction, errors and exit codes.

`units` reads and writes durations and sizes, `identifier` names of tables and columns, `redact` takes secrets out of
any text, `errors` are drawn by whose fault they are, `exit_codes` is the one table of exit codes.

Pure, and imports no other package. To add an error: a class in `errors` with its exit code, and a row of the
page on exit codes. To add a value: only if packages on two floors need it.
"""
