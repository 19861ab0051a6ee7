"""A text that comes in many pieces is one text, and takes the memory of one."""

import tracemalloc

from hypothesis import given, strategies as st

from app.domain import GrowingText


@given(st.lists(st.text(max_size=3), max_size=200), st.sets(st.integers(0, 200)))
def test_looked_at_whenever_it_holds_all_pieces(
    pieces: list[str], looks: set[int]
) -> None:
    text = GrowingText("so: ")
    for number, piece in enumerate(pieces):
        text.append(piece)
        if number in looks:
            assert str(text) == "so: " + "".join(pieces[: number + 1])
    assert str(text) == "so: " + "".join(pieces)


def test_a_thousand_pieces_take_hardly_more_memory_than_their_letters() -> None:
    tracemalloc.start()
    text = GrowingText()
    for number in range(1_000):
        text.append(f"{number:04}")
    held, _ = tracemalloc.get_traced_memory()
    tracemalloc.stop()

    assert len(str(text)) == 4_000
    assert held < 4 * 4_000
