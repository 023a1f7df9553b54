"""The terminal sink: `live` for a terminal, `line_output` for anything else, `final_table` at the end.

`reduce` turns events into a `TerminalState`; `layout` draws it from gauges, sparklines and fields; `activity` says in a
word and a sentence what the worker does. All of it is pure except `live` and `line_output`. Imports rich.

To add something to show: a field in `summary_fields`, or a block of lines in `layout.render`.
"""
