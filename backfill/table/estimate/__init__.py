"""What of a table is estimated: rows to do by a sample of pages, where they are, and how far a job has come.

`row_sample` chooses the pages and turns their counts into a number with an interval, `row_map` says where in the table
rows are left, `progress` has the share that is done and the time that is left. Pure: counts and times are arguments.

Imports `table` and below. To add an estimate: a function over frozen values here, and a property test of it against the
truth in `tests/unit/table`.
"""
