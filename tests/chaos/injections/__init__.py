"""What the faults do: one function a fault, by its name. Each one leaves when its fault has come about and is over."""

from __future__ import annotations

from tests.chaos.injections import crowds, kills, links, poolers, requests, resources, servers, tables
from tests.chaos.trial import Injection

INJECTIONS: dict[str, Injection] = {
    **kills.INJECTIONS,
    **servers.INJECTIONS,
    **links.INJECTIONS,
    **tables.INJECTIONS,
    **crowds.INJECTIONS,
    **resources.INJECTIONS,
    **requests.INJECTIONS,
    **poolers.INJECTIONS,
}
