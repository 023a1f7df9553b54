"""What protects from the nine failure modes of docs/failure-modes.md, and the tests that fail without it."""
