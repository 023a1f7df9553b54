"""A job against the plain UPDATE that it stands for: the same start, played twice, and the rows that each leaves.

A *case* is a database as SQL, settings, a job file and the UPDATE that it means. `comparison` says what has to be
equal; `exemptions` is the only list of what need not be. `corpus` has one fixed case for each fault that was found,
`generation` makes new ones.
"""
