"""What people wrote, as the assistant and other people read it."""

import pytest
from hypothesis import given, strategies as st

from app.slack.text import plain_text

NAMES = {"U1": "Ana", "C1": "kitchen"}


@pytest.mark.parametrize(
    ("raw", "text"),
    [
        ("<@U1> hello", "@Ana hello"),
        ("<@U2|ben> and <@U3>", "@ben and @U3"),
        ("see <#C9|general>, <#C1>, <#C1|>", "see #general, #kitchen, #kitchen"),
        ("<!here> <!channel> <!everyone>", "@here @channel @everyone"),
        ("<!subteam^S1|@team> <!subteam^S1>", "@team @group"),
        ("<!date^1392734382^{date}|Feb 18>", "Feb 18"),
        ("<https://a.example/?x=1&amp;y=2>", "https://a.example/?x=1&y=2"),
        ("<https://a.example|a.example>", "https://a.example"),
        ("<https://a.example/b|the site>", "the site (https://a.example/b)"),
        ("<mailto:ana@a.example|ana@a.example>", "ana@a.example"),
        ("1 &lt; 2 &amp;&amp; 3 &gt; 2", "1 < 2 && 3 > 2"),
        ("&amp;lt;", "&lt;"),
        ("a\u202eb\u200bc\U000e0041d\x00", "abcd"),
        ("  line one\r\nline two  ", "line one\nline two"),
        ("👩‍👩‍👧 नमस्ते می‌خواهم", "👩‍👩‍👧 नमस्ते می‌خواهم"),
        ("", ""),
    ],
)
def test_slack_text_is_read_as_people_read_it(raw: str, text: str) -> None:
    assert plain_text(raw, NAMES) == text


@given(st.text(alphabet="<>@#!|&;ltgamp U1\n", max_size=40))
def test_no_text_is_too_odd_to_read(raw: str) -> None:
    assert isinstance(plain_text(raw, NAMES), str)
