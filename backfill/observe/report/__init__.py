"""The report of a job: one HTML page that needs nothing else, from what the state schema keeps.

`markup` writes elements and escapes every text, `timeline` brings the history to as many pieces as a plot shows,
`plot` draws them as SVG, `plots` chooses what is drawn, `tables` has what people did and what was decided, `page` is
the whole.

Imports `events` and below; knows no other sink and no database. To add a plot: a function in `plots`.
"""
