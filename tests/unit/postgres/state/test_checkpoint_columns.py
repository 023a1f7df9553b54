"""How stripes fared is kept with the checkpoint, so that the next worker knows it; whatever somebody made of it since."""

from __future__ import annotations

from typing import Any

import pytest
from psycopg.types.json import Jsonb

from backfill.postgres.state.checkpoint_columns import checkpoint_of, values_of
from backfill.table.checkpoint import Checkpoint, Layout
from backfill.table.window_state import StripeHistory

FARED = StripeHistory(failures=1, plain_windows=64, why="0% of a second stripe was HOT", wider=4)
PLACED = Checkpoint(end_page=100, layout=Layout((2, 3)), window_end=100, rows_ahead=70, history=FARED)


def stored(checkpoint: Checkpoint) -> dict[str, Any]:
    """Return the row that the server would give back."""
    return {name: value.obj if isinstance(value, Jsonb) else value for name, value in values_of(checkpoint).items()}


def test_a_checkpoint_is_read_as_it_was_written():
    assert checkpoint_of(stored(PLACED)) == PLACED


@pytest.mark.parametrize("edited", [None, [], "plain", {"failures": "many"}, {"wider": None}, {"plain_windows": 1.5}])
def test_a_history_that_somebody_has_edited_is_forgotten(edited: object):
    assert checkpoint_of(stored(PLACED) | {"stripe_history": edited}).history == StripeHistory()


def test_a_checkpoint_of_an_older_version_has_no_history():
    assert checkpoint_of(stored(PLACED) | {"stripe_history": {}}).history == StripeHistory()
