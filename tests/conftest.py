"""Plugins only."""

pytest_plugins = ["tests.fixtures_docker", "tests.fixtures_postgres", "tests.fixtures_majors"]
