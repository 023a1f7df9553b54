"""The history of jobs: a row a minute and a row an hour, in rings, and all that a report reads.

`save` adds to the rows of now, `read` reads a job as a report shows it. What is read here is data: it may have been
changed by hand.

Imports `state`, `catalog` and below. To add a figure that is kept, see `events/history`.
"""
