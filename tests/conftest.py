"""Plugins only."""

pytest_plugins = ["tests.fix_docker", "tests.fix_pg", "tests.fix_majors"]
