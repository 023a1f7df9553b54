"""What people ask of jobs at the command line, and how a job stands: pause, resume, cancel. Pure.

`standing` is a job as the state schema has it, with the state that people see. `answer` decides whether a request is
recorded, refused or was there before, and says so in a sentence. `next_step` says what helps a job as it stands. What a
worker sees of a request is `throttle/conditions/operator_request.py`.

Imports `throttle` and `values`. To add a request: an action there, its cases in `answer`, a file in
`cli/commands/request`, and its property test in `tests/unit/request`.
"""
