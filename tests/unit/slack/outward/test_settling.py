"""What of a growing text may be appended to a stream, which can't be corrected."""

import pytest
from hypothesis import given, strategies as st

from app.slack.links import LinkPolicy
from app.slack.settling import open_ended, settled
from app.slack.text import neutralise

LINKS = LinkPolicy(trusted=frozenset({"https://docs.example.com/a"}))


@pytest.mark.parametrize(
    ("text", "kept_back"),
    [
        ("The kitchen is", "is"),
        ("The kitchen is. ", "is. "),
        ("It is **very warm", "**very warm"),
        ("It is **very** warm", "warm"),
        ("Call `set_room to", "`set_room to"),
        (
            "See [the docs](https://docs.example.com/a",
            "[the docs](https://docs.example.com/a",
        ),
        ("See [the docs](https://docs.example.com/a) now", "now"),
        ("Rooms:\n\n| room | °C |\n", "| room | °C |\n"),
        ("Rooms:\n\n| room | °C |\n|---|---|\n| a | 1", "| a | 1"),
        ("Code:\n```py", "Code:\n```py"),
        ("Code:\n```py\nx = 1\ny = 2", "y = 2"),
        ("Code:\n```sh\ncurl https://e.vil/x\nls\n", "curl https://e.vil/x\nls\n"),
        ("今天很暖和。房", "房"),
        ("One paragraph.\n\n", "paragraph.\n\n"),
    ],
)
def test_what_may_still_look_different_is_kept_back(text: str, kept_back: str) -> None:
    assert text[settled(text) :] == kept_back


ANSWER = """# Rooms

The **kitchen** is at *22 °C*, see [it](https://docs.example.com/a) and e.g. a.b.

- one `thing` with <!channel> & more
- two [x](https://e.vil/?q=1) things

| a | b |
|---|---|
| 1 | 2 |

```python
def f(x):
    return x

print(f(1))
```

最后一句。 Done, 5 * 3, and that is all there is.
"""


def test_all_that_is_appended_is_the_beginning_of_the_whole() -> None:
    whole = neutralise(ANSWER, LINKS)
    sent = ""
    for end in range(len(ANSWER)):
        text = ANSWER[:end]
        shown = open_ended(text[: settled(text)], LINKS)
        assert whole.startswith(shown)
        if len(shown) > len(sent):
            assert not shown[len(sent)].isspace() or not sent
            sent = shown
    assert len(whole) - len(sent) < 20


@given(st.text("ab *`[]()<>|\n.#-é词", max_size=80))
def test_what_is_settled_ends_before_a_sign_that_is_seen(text: str) -> None:
    at = settled(text)
    assert at == 0 or not text[at].isspace()
    assert "<" not in open_ended(text[:at], LINKS)
