"""A real primary with real standbys on this machine, behind links that can be slowed, cut and frozen."""
