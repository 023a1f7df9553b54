"""Every decision, as pure functions over frozen values: no clock, no random, no driver, no log."""
