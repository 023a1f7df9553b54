"""Which settings stay ours in the UPDATE of a row function follows from the types that it gives."""

from __future__ import annotations

import pytest

from backfill.postgres.session.settings import FUNCTION_TEXTS, kept_for


@pytest.mark.parametrize(
    ("types", "kept"),
    [
        (["integer", "pg_catalog.text"], set()),
        (["pg_catalog.text[]"], {"array_nulls"}),
        (["app.mood"], {"array_nulls"}),
        (["pg_catalog.money", "integer"], {"lc_monetary"}),
        (["pg_catalog.xml[]"], {"xmloption", "array_nulls"}),
    ],
)
def test_a_setting_is_kept_only_if_a_type_needs_it(types, kept):
    assert kept_for(types) == kept <= FUNCTION_TEXTS
