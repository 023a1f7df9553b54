"""The text of a job file: its YAML nodes, what keeps it from being YAML, and lines and columns for messages."""
