"""`backfill demo --change`: whole changes of tables that two versions of an application read and write meanwhile.

`tables` has the tables and their jobs, `application` the two versions and what they saw, `latency` compares calm times
with those in which we work, `worker` pauses a run now and then to have both, `play` goes through the steps of a change,
and `outcome` is the verdict. `demo` shows it.
"""
