"""jobfile."""
