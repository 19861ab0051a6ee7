"""However odd a long text is, looking at it never holds up everybody else."""

import time
from collections.abc import Callable

import pytest

from app.slack.healing import heal
from app.slack.links import LinkPolicy, links_in
from app.slack.text import escape_mrkdwn, neutralise, plain_text

# What these take grew with the square of the length once: some seconds each.
_PATIENCE = 0.5
_RUNS = {
    "spaces": " " * 20_000,
    "quotes": "> " * 10_000,
    "letters": "a" * 20_000,
    "dotted": "a." * 10_000,
    "lone ticks": "`a" * 10_000,
    "addresses": "http://" * 3_000,
}


def _safe(text: str) -> str:
    return neutralise(text, LinkPolicy())


def _said(text: str) -> str:
    return plain_text(text, {})


@pytest.mark.parametrize("name", list(_RUNS))
@pytest.mark.parametrize("look", [_safe, _said, escape_mrkdwn, heal, links_in])
def test_a_long_run_of_one_thing_is_looked_at_in_a_moment(
    look: Callable[[str], object], name: str
) -> None:
    began = time.process_time()
    look(_RUNS[name])

    assert time.process_time() - began < _PATIENCE
