"""A job's Python function in a process of its own: `process` is our side, `child` and `call` are the function's side.

They exchange the frames of `protocol`. Nothing that the function does can block or end the worker. May import `values`.
"""
