"""A real primary with real standbys on this machine, behind links that can be slowed, cut and frozen."""

from backfill.sandbox.cluster import Sandbox
from backfill.sandbox.link import Link
from backfill.sandbox.server import Server
from backfill.sandbox.standby import Standby

__all__ = ["Link", "Sandbox", "Server", "Standby"]
