"""The text of a job file: its YAML nodes, what keeps it from being YAML, and lines and columns for messages.

`document` composes the nodes within limits of size and depth, `location` finds the line and column of a key or value,
`syntax_errors` says in plain words what the parser met.

Imports `values` and PyYAML. To add a check of the text: a function in `document` that returns a `DocumentProblem`.
"""
