"""What is asked of one bench can be asked of another in the same words."""

import argparse
from pathlib import Path

import pytest

from app.sandbox.limits import Shape
from bench.options import Options, add_options, options


@pytest.mark.parametrize(
    "asked",
    [
        Options(),
        Options(json=Path("figures.json")),
        Options(
            people=(1, 5), policies=("ours",), shapes=(Shape.WINDOW,), seeds=(3, 4)
        ),
    ],
)
def test_options_in_words_are_read_as_the_same(asked: Options) -> None:
    parser = argparse.ArgumentParser()
    add_options(parser)

    assert options(parser.parse_args(asked.words())) == asked
