"""What the benches print and write."""

import argparse
import itertools
from xml.etree import ElementTree as ET

import pytest

from app.sandbox.limits import Shape
from bench.options import Options, add_options, options
from bench.report import Check, Report
from bench.results import with_section
from bench.streaming.plot import Line, plot


def asked(*words: str) -> Options:
    parser = argparse.ArgumentParser()
    add_options(parser)
    return options(parser.parse_args(words))


def a_report(was: float) -> Report:
    return Report(
        name="speed",
        title="how fast",
        notes="A note.",
        head=("what", "was"),
        rows=[("it", "1.0")],
        checks=[Check(what="it", was=was, must=2.0, goal=1.5, unit=" s")],
        figures=[{"it": 1.0}],
    )


@pytest.mark.parametrize(
    ("was", "verdict"),
    [(1.5, "met"), (2.0, "met, not the goal"), (2.001, "MISSED")],
)
def test_a_check_says_how_well_it_is_met(was: float, verdict: str) -> None:
    report = a_report(was)

    assert f"| ≤ 2 s | ≤ 1.5 s | {verdict} |" in report.markdown()
    assert report.is_met is (verdict != "MISSED")
    assert report.json()["targets"][0]["met"] is report.is_met


def test_a_section_takes_the_place_of_the_older_one() -> None:
    document = with_section("", "burst", "## burst\n\nold")
    document = with_section(document, "limits", "## limits")
    document = with_section(document, "burst", "## burst\n\nnew")

    assert "old" not in document
    assert document.index("new") < document.index("## limits")
    assert document.count("# Results\n") == 1


def test_sections_stand_in_their_order_whenever_they_are_written() -> None:
    document = ""
    for name in ("another", "e2e", "staleness"):
        document = with_section(document, name, f"## {name}")

    places = [document.index(f"## {name}") for name in ("staleness", "e2e", "another")]
    assert places == sorted(places)


def test_the_picture_shows_every_line_in_every_panel_and_ours_on_top() -> None:
    lines = {
        "ours": Line(points=[(1, 0.6), (20, 3.0)]),
        "interval_1s": Line(points=[(1, 0.7), (20, 150.0)]),
    }

    picture = ET.fromstring(  # noqa: S314 - written here
        plot({Shape.BUCKET: lines, Shape.WINDOW: lines})
    )

    name = "{http://www.w3.org/2000/svg}"
    panels = picture.findall(f"{name}g")
    assert len(panels) == 2
    for panel in panels:
        kinds = [line.get("class", "") for line in panel.findall(f"{name}polyline")]
        assert kinds == ["line interval_1s", "line ours strong"]


def test_names_in_the_picture_do_not_cover_each_other() -> None:
    points = [(1, 1.0), (20, 100.0)]
    lines = {name: Line(points=points) for name in ("ours", "a", "b", "c")}

    picture = ET.fromstring(plot({Shape.BUCKET: lines}))  # noqa: S314 - as above

    heights = sorted(
        float(text.get("y", ""))
        for text in picture.iter("{http://www.w3.org/2000/svg}text")
        if text.get("class") in lines
    )
    gaps = [after - before for before, after in itertools.pairwise(heights)]
    assert len(gaps) == 3
    assert min(gaps) >= 12


def test_the_picture_tells_who_loses_answers() -> None:
    kept, lost = Line(points=[(1, 1.0)]), Line(points=[(1, 2.0)], loses=True)

    assert "†" not in plot({Shape.BUCKET: {"a": kept}})
    assert "b †</text>" in plot({Shape.BUCKET: {"a": kept, "b": lost}})


def test_without_options_everybody_gets_the_same_figures() -> None:
    assert asked().are_default
    assert asked("--json", "figures.json").are_default
    assert not asked("--seed", "7").are_default


def test_options_say_what_is_simulated() -> None:
    chosen = asked("--n", "1,5", "--limiter", "window", "--policy", "ours,chunks20")

    assert chosen.people == (1, 5)
    assert chosen.shapes == (Shape.WINDOW,)
    assert chosen.policies == ("ours", "chunks20")


@pytest.mark.parametrize(
    "words", [("--n", "0"), ("--n", "many"), ("--policy", "best"), ("--limiter", "no")]
)
def test_what_there_is_not_cannot_be_asked(
    words: tuple[str, str], capsys: pytest.CaptureFixture[str]
) -> None:
    with pytest.raises(SystemExit):
        asked(*words)

    assert words[0] in capsys.readouterr().err
