"""When a chosen model goes away, and who is told."""

from datetime import date
from typing import Any

import pytest

from app.assistants.model_list import ListedModel, outlook

TODAY = date(2026, 11, 21)


def listed(**more: Any) -> list[ListedModel]:  # noqa: ANN401 - whatever servers write
    return [ListedModel(id="old", **more)]


@pytest.mark.parametrize("day", ["2027-01-14", "2027-01-14T00:00:00Z"])
def test_of_a_model_that_ends_soon_the_day_is_told(day: str):
    found = outlook("old", listed(shutdown_date=day), TODAY)

    assert found
    assert not found.is_gone
    assert found.says == (
        "The model old shuts down on 14 January 2027; choose another OPENAI_MODEL"
        " by then."
    )


@pytest.mark.parametrize("day", ["2026-11-21", "2025-01-01"])
def test_a_model_that_has_ended_is_gone(day: str):
    found = outlook("old", listed(shutdown_date=day), TODAY)

    assert found
    assert found.is_gone
    assert "was shut down on" in found.says


@pytest.mark.parametrize(("day", "is_openai"), [("2028-01-14", False), (None, True)])
def test_a_model_that_is_not_listed_is_not_there(day: str | None, is_openai: bool):
    listed_there = listed(shutdown_date=day)
    found = outlook("other", listed_there, TODAY, is_openai=is_openai)

    assert found
    assert (found.is_gone, found.says) == (True, "OPENAI_MODEL: no other there.")


@pytest.mark.parametrize("day", [None, "2027-03-01", "some day", "", 1_800_000_000])
def test_there_is_nothing_to_say_of_a_model_without_a_near_end(day: object):
    assert outlook("old", listed(shutdown_date=day), TODAY) is None


def test_a_server_that_lists_no_models_tells_nothing():
    assert outlook("old", [], TODAY) is None
