"""Fixed cases: the smallest one for each fault that a job once had beside the plain UPDATE, and for its relatives."""

from __future__ import annotations

from dataclasses import replace

from tests.differential.case import Case
from tests.differential.corpus import functions, leaves, own_rows, security, settings, transactions
from tests.differential.corpus.refused import REFUSED

_CASES: dict[str, Case] = {
    **settings.CASES,
    **functions.CASES,
    **leaves.CASES,
    **own_rows.CASES,
    **security.CASES,
    **transactions.CASES,
}
CORPUS = {name: replace(case, may_be_refused=name in REFUSED) for name, case in _CASES.items()}
