"""Plugins only."""

pytest_plugins = ["tests.fix_pg", "tests.fix_majors"]
