"""Which Host a request may name: none that a stranger could have registered.

A page of a stranger can make a browser resolve the stranger's own name to our address and read what we serve (DNS
rebinding). The browser then sends that name as Host, so such names are refused.
"""

from __future__ import annotations

import ipaddress
import re

_HOST = re.compile(r"(?P<name>\[[0-9a-f:.]+\]|[^:\[\]@/]+)\.?(?::[0-9]{1,5})?", re.IGNORECASE)
_PRIVATE = (".localhost", ".svc", ".local", ".internal", ".home.arpa", ".test")
"""Nobody registers names below these; `.cluster.local` is below one of them."""


def is_trusted(host: str | None, own_names: frozenset[str]) -> bool:
    """Whether a Host header names an address, a name without a dot, a private name, or one of our names."""
    if not host:
        return host is None  # HTTP/1.0 has none, and no browser leaves it out
    found = _HOST.fullmatch(host)
    if found is None:
        return False
    name = found["name"].lower().rstrip(".")
    if "." not in name or name in own_names or name.endswith(_PRIVATE):
        return True
    try:
        ipaddress.ip_address(name.strip("[]"))
    except ValueError:
        return False
    return True
