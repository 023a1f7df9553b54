"""Cases made by hypothesis: simple ones first, so that one that shows a difference shrinks to what it takes.

Each module draws one part as frozen values and writes it as SQL; `cases` puts them together.
"""
