"""The engine's sessions: batches with their checkpoints, reads, the proof, rejected rows, VACUUM, compression.

`job_session` and `lane_session` are what `engine/ports.py` asks for; each kind of work is a module below them. `batch`
is the transaction that matters most: settings, UPDATE, checkpoint, history, or nothing.

Imports the rest of `postgres` but `plan`. To add work: a module here, its method in the port, and a check in
`tests/session_contract.py`, which the fake session must pass, too.
"""
