"""Whatever a model writes, nothing in it is live but what the policy allows."""

import pytest
from hypothesis import given, settings, strategies as st

from app.slack.healing import heal
from app.slack.text import LinkPolicy, escape_mrkdwn, neutralise
from tests.unit.slack.outward.markdown_reader import live, shown

TRUSTED = "https://trusted.example/a"
CAREFUL = LinkPolicy(
    trusted=frozenset({TRUSTED}),
    allowed_hosts=frozenset({"wiki.acme.example"}),
    read_untrusted=True,
)
OPEN = LinkPolicy(read_untrusted=False)

HOSTILE = [
    "<!channel> <!here> <!everyone> <!subteam^S1> <!date^1^{date}|x>",
    "<@U123> and <@U123|ana> and <#C1> and <#C1|general>",
    "<https://evil.example/?q=1|click> <https://evil.example/?q=1>",
    "[click](https://evil.example/?q=1)",
    "[click](<https://evil.example/?q=1>)",
    '[click](https://evil.example/?q=1 "title")',
    "[click]( https://evil.example/?q=1\n)",
    "![pixel](https://evil.example/p.png?q=1)",
    "[![pixel](https://evil.example/p.png?q=1)](https://evil.example/?q=2)",
    "[click][ref]\n\n[ref]: https://evil.example/?q=1",
    "[ref]\n\n> [ref]:\n> https://evil.example/?q=1",
    "[ref][]\n\n- [ref]: <https://evil.example/?q=1> 'title'",
    "https://evil.example/?q=1",
    "HTTPS://EVIL.EXAMPLE/?q=1",
    "HtTpS://evil.example/#q",
    "see(https://evil.example/?q=1)",
    "https\\://evil.example/?q=1",
    "\\https://evil.example/?q=1",
    "\\\\https://evil.example/?q=1",
    "&#104;ttps://evil.example/?q=1 &lt;https://evil.example/?q=1&gt;",
    "https://user:pass@evil.example/",
    "https://trusted.example@evil.example/a",
    "https://xn--pple-43d.example/?q",
    "https://trusted.example/a?q=1",
    "https://trusted.example/a\\?q=1",
    "https://trusted.example/a|https://evil.example/?q=1",
    "https://trusted.example/a<b>q</b>",
    "[https://bank.example](https://evil.example/?q=1)",
    "[x](javascript:alert(1)) [x](data:text/html,x) [x](slack://open)",
    "javascript:alert(1)",
    "ftp://evil.example/x slack://open?team=T1 file:///etc/passwd",
    "www.evil.example/?q=1",
    "`https://evil.example/?q=1",
    "``a` https://evil.example/?q=1",
    "`a` `` ` https://evil.example/?q=1 `",
    "https://evil.example/`x`",
    "| `a | https://evil.example/?q=1` |\n|---|---|\n| `b | <!here>` |",
    "```\ncode\n````\nhttps://evil.example/?q=1",
    "````\n```\nhttps://in.code/\n````\nhttps://evil.example/?q=1",
    "> ```\n> code\nhttps://evil.example/?q=1\n> ```",
    "1. x\n   ```bash\ncurl https://in.code\n   ```\nhttps://evil.example/?q=1",
    "- ```\nhttps://in.code/\n```\nhttps://evil.example/?q=1",
    "    ```\nhttps://evil.example/?q=1\n    ```",
    "```html\n<!channel> <https://evil.example/?q=1|x> <@U1>\n```",
    "~~~\n```\n~~~\nhttps://evil.example/?q=1",
    "h\u200bttps://evil.example/?q=1 \u202ehttps://evil.example/?q=1",
    "a\U000e0041\U000e0042 <\u200b!channel>",
    "<a href='https://evil.example/?q=1'>x</a> <img src=https://evil.example/p>",
    "**[x](https://evil.example/?q=1)** _https://evil.example/?q=1_",
    "# https://evil.example/?q=1\n\n* https://evil.example/?q=2",
    "[a](https://evil.example/?q=1)(https://evil.example/?q=2)",
    "[a\n\nb](https://evil.example/?q=1)",
    "\\[x](https://evil.example/?q=1) [x\\](https://evil.example/?q=1)",
]
ALLOWED_BY_CAREFUL = {TRUSTED}


def harmful(markdown: str, links: LinkPolicy) -> list[str]:
    return [
        each
        for each in live(markdown)
        if not links.allows_bare(each) and not links.allows_bare(each.rstrip("."))
    ]


@pytest.mark.parametrize("text", HOSTILE)
@pytest.mark.parametrize("links", [CAREFUL, OPEN], ids=["careful", "open"])
def test_nothing_hostile_is_live_wherever_the_text_is_cut(
    text: str, links: LinkPolicy
) -> None:
    for end in range(len(text) + 1):
        final = neutralise(text[:end], links)
        interim = neutralise(heal(text[:end]), links)
        assert (harmful(final, links), "<" in final) == ([], False)
        assert (harmful(interim, links), "<" in interim) == ([], False)


PIECES = st.sampled_from(
    [
        *"`[]()<>!*_~|\\\n &#:/.x\"'-\t",
        "```",
        "~~~",
        "\n\n",
        "\n> ",
        "\n- ",
        "\n    ",
        "](",
        "]:",
        "https://evil.example/?q=1",
        "https://trusted.example/a",
        "www.evil.example/x",
        "<!channel>",
        "<@U1>",
        "&lt;",
        "|---|",
        "word",
        "\u200b",
        "é",
        "😀",
    ]
)


@settings(max_examples=300)
@given(st.lists(PIECES, max_size=25).map("".join), st.booleans())
def test_no_mixture_of_marks_is_live(text: str, is_open: bool) -> None:
    links = OPEN if is_open else CAREFUL
    safe = neutralise(text, links)
    assert "<" not in safe
    assert harmful(safe, links) == []


@settings(max_examples=150)
@given(st.text(max_size=60))
def test_any_text_becomes_text_that_can_be_sent(text: str) -> None:
    neutralise(text, OPEN).encode()
    escape_mrkdwn(text).encode()


@pytest.mark.parametrize(
    "text",
    [
        f"[the doc]({TRUSTED})",
        f"See {TRUSTED}.",
        f"({TRUSTED})",
        f"**{TRUSTED}**",
        f"<{TRUSTED}>",
        f"![picture]({TRUSTED})",
    ],
)
def test_an_address_from_the_trusted_input_stays_a_link(text: str) -> None:
    safe = neutralise(text, CAREFUL)
    assert TRUSTED in live(safe)
    assert "image" not in " ".join(live(safe))


def test_an_allowed_host_may_be_linked_with_a_query() -> None:
    text = "[wiki](https://WIKI.acme.example/page?id=3&x=y#top)"
    assert neutralise(text, CAREFUL) == text


def test_a_plain_address_is_live_only_while_nothing_untrusted_was_read() -> None:
    text = "See https://docs.example.org/guide_(2)/."
    assert neutralise(text, OPEN) == text
    assert neutralise(text, CAREFUL) == "See `https://docs.example.org/guide_(2)/`."


@pytest.mark.parametrize(
    "address",
    [
        "http://docs.example.org/",
        "https://docs.example.org/?q",
        "https://docs.example.org/#f",
        "https://docs.example.org:8443/",
        "https://a@docs.example.org/",
        "https://xn--80ak6aa92e.example/",
        "https://192.168.1.1@x/",
        "https://localhost",
        "https://docs.example.org/%2e",
    ],
)
def test_only_plain_https_is_plain(address: str) -> None:
    assert neutralise(address, OPEN).startswith("`")


def test_a_label_that_names_another_address_does_not_hide_the_target() -> None:
    text = f"[https://bank.example]({TRUSTED})"
    safe = neutralise(text, CAREFUL)
    assert shown(safe).strip() == f"https://bank.example ({TRUSTED})"


def test_a_link_that_is_not_allowed_shows_its_label_and_address() -> None:
    safe = neutralise("[the **site**](https://evil.example/?q=1)", CAREFUL)
    assert safe == "the **site** (`https://evil.example/?q=1`)"


def test_what_is_code_stays_code() -> None:
    text = "Run `curl https://api.example/?a=1` or:\n\n```bash\nwget https://x.example\n```"
    assert neutralise(text, CAREFUL) == text


def test_markdown_that_is_harmless_is_left_as_it_is() -> None:
    text = (
        "# Title\n\n> a quote\n\n- one\n- **two** _three_ ~~four~~\n\n1. x\n\n"
        "| a | b |\n|---|---|\n| 1 | 2 |\n\nEnd & more; README.md, v1.2.3, f(x)[0].\n"
    )
    assert neutralise(text, CAREFUL) == text


def test_fences_are_brought_to_the_left_edge_and_closed() -> None:
    text = "1. Do:\n   ```python\n   x = 1\n     y\n   ```\n2. Then:\n\n~~~js\nlet a"
    assert neutralise(text, CAREFUL) == (
        "1. Do:\n```python\nx = 1\n  y\n```\n2. Then:\n\n```js\nlet a\n```\n"
    )


def test_a_fence_within_code_does_not_end_it() -> None:
    text = "~~~md\n```\ninside\n```\n~~~\n"
    assert neutralise(text, CAREFUL) == "````md\n```\ninside\n```\n````\n"


def test_halves_of_a_sign_from_two_deltas_are_joined() -> None:
    assert neutralise("\ud83d" + "\ude00 \ud83d", OPEN) == "😀 \ufffd"


def test_mrkdwn_has_nothing_live_at_all() -> None:
    text = "<!here> `x` https://evil.example/?a=1&b=2, evil.com & <https://a.example|b>"
    assert escape_mrkdwn(text) == (
        "&lt;!here&gt; 'x' `https://evil.example/?a=1&amp;b=2`, `evil.com` &amp; "
        "&lt;`https://a.example`|b&gt;"
    )


def test_a_flag_of_tag_signs_survives_and_hidden_tags_do_not() -> None:
    england = "\U0001f3f4\U000e0067\U000e0062\U000e0065\U000e006e\U000e0067\U000e007f"
    assert neutralise(f"{england} \U000e0041", OPEN) == f"{england} "
