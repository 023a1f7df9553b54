"""The loop: one job from its lock to its end, as batches that are admitted one by one.

    supervisor     a job over as many sessions as it takes
    job_run        a job on one session: its lock, leaf after leaf
    leaf_run       a leaf: passes, and the read that verifies them
    lane           THE loop: plan the window, find a batch, admit it, run it, record it
    window_planner, batch_finder, bad_row_search    what a lane asks before and after a batch
    admission/     read the signals, decide, wait with a reason
    upkeep/        vacuum and compression alongside the batches
    retry_loop     the one interpreter of what a refused statement means

It knows the protocols in `ports` and pure values; it imports no driver, no clock and no sink. To add a step
of the loop: a module that `Lane` calls. To add a question to the database: a method of a session in `ports`, with a
check in `tests/session_contract.py` that the fake and the real session both keep.
"""
