"""A text that is still being written looks whole at every moment."""

import pytest
from hypothesis import given, settings, strategies as st

from app.slack.healing import heal
from app.slack.text import LinkPolicy, neutralise
from tests.unit.slack.outward.markdown_reader import shown

OPEN = LinkPolicy(read_untrusted=False)


@pytest.mark.parametrize(
    ("half", "whole"),
    [
        ("**bol", "**bol**"),
        ("**bold** and *it", "**bold** and *it*"),
        ("***both", "***both***"),
        ("a _b ~~c", "a _b ~~c~~_"),
        ("**bold*", "**bold**"),
        ("~~gone~", "~~gone~~"),
        ("~~gone~~", "~~gone~~"),
        ("the **", "the "),
        ("`cod", "`cod`"),
        ("**see `cod", "**see `cod`**"),
        ("a `", "a "),
        ("``", ""),
        ("text\n``", "text\n"),
        ("[label](https://exa", "label"),
        ("see https://exa", "see "),
        ("see (https://exa", "see "),
        ("see `https://exa", "see `https://exa`"),
        ("| a | b |\n|--", ""),
        ("| a | b |\n|---|---|\n| 1 |", "| a | b |\n|---|---|\n"),
        ("text\n\n| a |", "text\n\n"),
        ("- **one\n- two", "- **one\n- two"),
        ("snake_case_name 2 * 3 * 4", "snake_case_name 2 * 3 * 4"),
        ("a \\*b", "a \\*b"),
        ("```py\nx = **1", "```py\nx = **1"),
        ("done.", "done."),
        ("", ""),
    ],
)
def test_half_written_markdown_is_closed_or_hidden(half: str, whole: str) -> None:
    assert heal(half) == whole


TEXT = """# Title

Some **bold _nested_ text**, `code` and [a link](https://docs.example.org/x).

| a | b |
|---|---|
| 1 | 2 |

```python
def f(x):
    return x ** 2
```

- one ~~gone~~
- two
"""


def test_no_mark_shows_while_a_text_is_typed() -> None:
    for end in range(len(TEXT)):
        words = shown(neutralise(heal(TEXT[:end]), OPEN)).replace("return x **", "")
        assert not any(mark in words for mark in ("**", "~~", "](", "|", "```"))


@settings(max_examples=150)
@given(st.text(alphabet="ab *_~`[](|\n-#>:/.", max_size=40))
def test_healing_never_adds_words(text: str) -> None:
    def words(markdown: str) -> list[str]:
        return [each for each in markdown if each in "ab"]

    healed = words(heal(text))
    assert healed == words(text)[: len(healed)]
