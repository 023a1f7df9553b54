"""Admission of batches: read the signals, decide, wait with a reason.

`control` is the loop; next to it is what it keeps for others: the limits that hold now (`limits`), the events of
readings (`readings`) and the reason that `status` shows (`wait_persistence`). The law itself is pure and lives in
`backfill.throttle`.

To add a reason to wait: a condition in `throttle/conditions`; nothing changes here. May be imported by the lanes and by
whoever starts a run; imports ports, events and pure packages only.
"""
