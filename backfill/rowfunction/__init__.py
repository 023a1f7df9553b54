"""A job's Python function in a process of its own: `process` is our side, `child` and `call` are the function's side.

They exchange the frames of `protocol`. Nothing that the function does can block or end the worker. May import `values`.

Imports no other package. To add a message: a frame in `protocol`, sent by `process` and answered by `child`.
"""
