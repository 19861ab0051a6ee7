"""A text that grows is shown as if each look at it were the first."""

from collections.abc import Iterable
from dataclasses import dataclass, field
from itertools import accumulate

from hypothesis import given, settings, strategies as st

from app.slack.cutting import Cut, next_cut
from app.slack.healing import heal
from app.slack.rendering import Rendering
from app.slack.text import LinkPolicy, neutralise

LINKS = LinkPolicy(allowed_hosts=frozenset({"wiki.acme.example"}))
LIMIT = 8_000
ANSWER = """Here is what I found in the **heating** log, with `22 °C` in the kitchen.

Title
=====

| room | now |
|---|---|
| kitchen | 22 |

- one [link](https://wiki.acme.example/a)
- two <!channel>

```py
x = "<b>"

y = 1
```
"""

PIECES = st.sampled_from(
    [
        "word ",
        "**bo",
        "ld** ",
        "`co",
        "de` ",
        "\n",
        "\n\n",
        "\n \t\n",
        "\r\n",
        "\u200b",
        "``\u200b`\n",
        "\ud83d",
        "\ude00",
        "```",
        "```py\n",
        "\n```\n",
        "\n~~~\n",
        "> ```\n",
        "- ```\n",
        "> quoted\n",
        "- item\n",
        "    indented\n",
        "| a | b |\n",
        "|---|---|\n",
        "| 1 |",
        "Title\n===\n",
        "\n---\n",
        "# Head\n",
        "[x](https://wiki.acme.example/",
        "b) ",
        "[x](https://evil.example/?q=1)",
        "[ref]",
        "[ref]: https://evil.example/\n",
        "https://evil",
        ".example/ ",
        "![",
        "<!channel>",
        "\\",
        "long words without an end ",
    ]
)


def looks(pieces: Iterable[str], limit: int) -> list[tuple[Cut | None, str]]:
    kept = Rendering(LINKS, limit)
    return [(kept.cut(text, ""), kept.interim(text)) for text in accumulate(pieces)]


def first_looks(pieces: Iterable[str], limit: int) -> list[tuple[Cut | None, str]]:
    def size(text: str) -> int:
        return len(neutralise(text, LINKS))

    return [
        (next_cut(text, "", limit, size), neutralise(heal(text), LINKS))
        for text in accumulate(pieces)
    ]


@settings(max_examples=300)
@given(st.lists(PIECES, max_size=40), st.integers(60, 400))
def test_each_look_is_as_if_it_were_the_first(pieces: list[str], limit: int) -> None:
    assert looks(pieces, limit) == first_looks(pieces, limit)


def test_a_text_that_comes_sign_by_sign_looks_the_same() -> None:
    assert looks(ANSWER, 300) == first_looks(ANSWER, 300)


def test_a_fence_that_hides_behind_a_sign_nobody_sees_stays_open() -> None:
    pieces = ["``\u200b`\n", "one\n\n", "two\n\n", "three"]
    assert looks(pieces, LIMIT) == first_looks(pieces, LIMIT)


@settings(max_examples=100)
@given(st.lists(PIECES, max_size=12), st.lists(PIECES, max_size=12))
def test_another_text_is_not_shown_with_what_was_kept(
    one: list[str], other: list[str]
) -> None:
    kept, text = Rendering(LINKS, LIMIT), "".join(other)
    for each in accumulate(one):
        kept.cut(each, "")
    assert kept.interim(text) == neutralise(heal(text), LINKS)


@settings(max_examples=100)
@given(st.lists(PIECES, max_size=30), st.sampled_from(["```py\n", "| a |\n|---|\n"]))
def test_what_is_reopened_at_the_start_counts(pieces: list[str], opening: str) -> None:
    kept = Rendering(LINKS, 150)

    def size(text: str) -> int:
        return len(neutralise(text, LINKS))

    for text in accumulate(pieces):
        assert kept.cut(text, opening) == next_cut(text, opening, 150, size)


@dataclass(frozen=True)
class Asked(LinkPolicy):
    """Remembers which addresses it was asked about."""

    addresses: list[str] = field(default_factory=list)

    def allows_bare(self, address: str) -> bool:
        self.addresses.append(address)
        return super().allows_bare(address)


def test_finished_paragraphs_are_not_looked_at_again() -> None:
    asked = Asked()
    kept = Rendering(asked, LIMIT)
    text = "See https://one.example/ for it.\n\n" * 20
    kept.cut(text, "")
    asked.addresses.clear()
    kept.interim(text + "And https://two.example/ too")
    assert asked.addresses == ["https://two.example/"]
