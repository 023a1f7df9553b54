"""Fill columns of huge, live PostgreSQL tables without hurting the replicas."""

__version__ = "0.1.0"
