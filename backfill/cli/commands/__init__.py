"""One file a command: its options, its exit codes, what it prints."""
