"""Our connections: how it is opened, what bounds it, whose settings hold, and errors in the project's own words.

`connection` opens it, `settings` and `role_settings` keep our settings apart from the role's, `lock_release` makes the
server let go of a worker that is gone, `pooler` refuses what is not a session, `server` checks the server itself,
`text_array` sends a NULL that no setting turns into a word.

Imports nothing else of `postgres`. To add a setting: a row in the table of `settings`, with what we do about it.
"""
