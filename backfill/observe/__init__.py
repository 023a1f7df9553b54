"""Readers of `core.events`: logs, metrics, the live view, HTTP. They know events and nothing else."""
