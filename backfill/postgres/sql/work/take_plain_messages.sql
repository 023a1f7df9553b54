-- Messages in English for the rest of the session, if the role may choose: a vacuum's figures are known by its words.
SELECT set_config('lc_messages', 'C', false) FROM pg_roles WHERE rolname = current_user AND rolsuper
