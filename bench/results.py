"""`RESULTS.md`: what the benches have found, each in a section of its own."""

import fcntl
import re
from pathlib import Path

FOLDER = Path(__file__).parent
RESULTS = FOLDER / "RESULTS.md"
# Sections stand in this order, any other one below.
ORDER = (
    "staleness",
    "burst",
    "limits",
    "replicas",
    "e2e",
    "scheduler",
    "render",
    "parse",
    "streams",
)

_TITLE = """\
# Results

Written by `make bench`, section by section; what is changed by hand goes with the next
run. Figures of what is simulated are the same on every machine.
"""
_SECTION = re.compile(r"<!-- begin (\w+) -->\n(.*?)<!-- end \1 -->\n", re.DOTALL)


def put(name: str, markdown: str) -> None:
    """Put `markdown` in the place of the section of that name."""
    with RESULTS.open("a+", encoding="utf-8") as document:
        # Several benches may come to their ends at the same moment.
        fcntl.flock(document, fcntl.LOCK_EX)
        document.seek(0)
        changed = with_section(document.read(), name, markdown)
        document.truncate(0)
        document.write(changed)


def as_printed(name: str, told: str) -> str:
    """A section for a bench that has printed its tables."""
    return f"## {name}\n\n```text\n{told.strip()}\n```"


def with_section(document: str, name: str, markdown: str) -> str:
    """The document with that section in its place."""
    sections = dict(_SECTION.findall(document))
    sections[name] = f"{markdown.strip()}\n"
    places = {each: at for at, each in enumerate(ORDER)}
    ordered = sorted(sections, key=lambda each: places.get(each, len(places)))
    texts = [
        f"<!-- begin {each} -->\n{sections[each]}<!-- end {each} -->\n"
        for each in ordered
    ]
    return "\n".join([_TITLE, *texts])
