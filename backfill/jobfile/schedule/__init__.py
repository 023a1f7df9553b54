"""When a job may work: its time windows, and its position among the jobs of a directory.

`time_window` is one window as a job file writes it. `job_order` says which job is next, and what the others wait for;
it refuses names that no file has, and circles. Whether a window is open is `throttle/time_windows.py`.

Imports `values` and the types of `jobfile`. To add a way to write a window: `time_window.parse_window` and its examples
in `tests/unit/jobfile/schedule`.
"""
