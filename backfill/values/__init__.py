"""What every package may use: units, names in SQL, texts in messages, redaction, errors and exit codes.

Pure, and imports nothing of ours but itself.
"""
