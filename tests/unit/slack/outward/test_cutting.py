"""A long text is cut into messages; put together again, it is what was written."""

from hypothesis import given, settings, strategies as st

from app.slack.cutting import next_cut, opening_at
from app.slack.text import LinkPolicy, neutralise

CAREFUL = LinkPolicy()


def size(text: str) -> int:
    return len(neutralise(text, CAREFUL))


def cut(text: str, limit: int) -> list[tuple[str, str]]:
    """The parts of `text`, each with what it reopens."""
    parts, start, opening = [], 0, ""
    while found := next_cut(text[start:], opening, limit, size):
        assert found.at > 0
        parts.append((opening, text[start : start + found.at]))
        start, opening = start + found.at, found.opening
    return [*parts, (opening, text[start:])]


def test_a_text_that_fits_is_not_cut() -> None:
    assert cut("short", 40) == [("", "short")]
    assert cut("", 40) == [("", "")]


def test_a_cut_falls_between_paragraphs() -> None:
    parts = cut("One two three four.\n\nFive six seven.\n\nEight nine.", 40)
    assert [text for _, text in parts] == [
        "One two three four.\n\nFive six seven.\n\n",
        "Eight nine.",
    ]


def test_a_cut_within_a_paragraph_falls_between_sentences() -> None:
    parts = cut("One two three four five. Six seven eight nine ten eleven.", 40)
    assert parts[0][1] == "One two three four five. "


def test_a_fence_is_reopened_with_its_language() -> None:
    text = "```python\n" + "".join(f"x{n} = {n}\n" for n in range(20)) + "```\nEnd."
    parts = cut(text, 80)
    assert len(parts) > 2
    assert {opening for opening, _ in parts[1:]} <= {"```python\n", ""}
    assert parts[1][0] == "```python\n"
    assert all(part.endswith("\n") for _, part in parts[:-1])


def test_an_indented_fence_keeps_its_indent_when_it_goes_on() -> None:
    text = "- ```sh\n" + "".join(f"  run {n}\n" for n in range(20)) + "  ```\n"
    opening, rest = cut(text, 80)[1]
    assert neutralise(opening + rest, CAREFUL).startswith("```sh\nrun ")


def test_a_table_goes_on_under_its_head() -> None:
    text = "| a | b |\n|---|---|\n" + "| 1 | 2 |\n" * 10
    parts = cut(text, 80)
    assert parts[1][0] == "| a | b |\n|---|---|\n"


def test_a_table_of_more_rows_than_slack_takes_is_cut() -> None:
    parts = cut("| a | b |\n|---|---|\n" + "| 1 | 2 |\n" * 200, 8_000)
    assert [part.count("\n") for _, part in parts] == [90, 88, 24]


def test_a_second_table_goes_into_the_next_message() -> None:
    table = "| a | b |\n|---|---|\n| 1 | 2 |\n\n"
    parts = cut(f"{table}Then:\n\n{table}", 8_000)
    assert [part for _, part in parts] == [f"{table}Then:\n\n", table]


def test_a_link_and_inline_code_are_never_cut() -> None:
    link = "[the label](https://docs.example.org/a/b)"
    for limit in range(60, 80):
        parts = cut("word " * 8 + f"{link} `some code here` " + "word " * 8, limit)
        texts = [part for _, part in parts]
        assert sum(link in text for text in texts) == 1
        assert sum("`some code here`" in text for text in texts) == 1


def test_what_is_seen_as_one_sign_is_never_cut() -> None:
    signs = ["👩‍👩‍👧", "🇩🇪", "👍🏽", "e\u0301", "\ud83d\ude00", "❤️"]
    for sign in signs:
        parts = [part for _, part in cut(sign * 40, 41)]
        assert all(len(part) % len(sign) == 0 for part in parts)


def test_what_a_later_message_reopens_is_known_from_the_text_alone() -> None:
    text = (
        "Intro.\n\n```python\n"
        + "".join(f"x{n} = {n}\n" for n in range(20))
        + "```\n\n"
        "| a | b |\n|---|---|\n" + "| 1 | 2 |\n" * 20 + "\nEnd."
    )
    start = 0
    for opening, part in cut(text, 90):
        assert opening_at(text, start, 90) == opening
        start += len(part)


def test_a_head_that_would_fill_every_message_is_not_repeated() -> None:
    text = "| " + "long head " * 5 + "| b |\n|---|---|\n" + "| 1 | 2 |\n" * 10
    parts = cut(text, 80)
    assert {opening for opening, _ in parts} == {""}
    assert "".join(part for _, part in parts) == text


PIECES = st.sampled_from(
    [
        "word ",
        "A sentence. ",
        "\n\n",
        "\n",
        "```\n",
        "```py\ncode here\n```\n",
        "| a | b |\n|---|---|\n| 1 | 2 |\n",
        "[x](https://a.example/b) ",
        "<b> ",
        "`inline` ",
        "- item\n",
        "😀",
        "averyveryverylongwordwithoutanyspaces",
    ]
)


@settings(max_examples=200)
@given(st.lists(PIECES, max_size=40).map("".join), st.integers(60, 200))
def test_nothing_is_lost_and_every_part_fits(text: str, limit: int) -> None:
    parts = cut(text, limit)
    assert "".join(part for _, part in parts) == text
    # Closing a fence that is cut takes a line more than was measured.
    assert all(size(opening + part) <= limit + 10 for opening, part in parts)
