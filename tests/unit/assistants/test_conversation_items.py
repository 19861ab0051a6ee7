"""What a conversation at the provider lacks of a history."""

from collections.abc import Sequence
from typing import Any

from hypothesis import given, strategies as st

from app.assistants.conversation_items import Compared, Held, compared, news
from app.domain import ItemKind, ThreadItem

Item = dict[str, Any]


def asked(text: str, turn_id: int) -> ThreadItem:
    item = {"author": "Ana", "text": text, "files": []}
    return ThreadItem(kind=ItemKind.WANTED, item=item, turn_id=turn_id)


def answered(text: str, turn_id: int, item_id: str | None = None) -> ThreadItem:
    content = [{"type": "output_text", "text": text}]
    item: Item = {"type": "message", "role": "assistant", "content": content}
    if item_id:
        item["id"] = item_id
    return ThreadItem(kind=ItemKind.OUTPUT, item=item, turn_id=turn_id)


def called(call_id: str, turn_id: int) -> ThreadItem:
    item = {"type": "function_call", "call_id": call_id, "name": "f", "arguments": "{}"}
    return ThreadItem(kind=ItemKind.OUTPUT, item=item, turn_id=turn_id)


def came(call_id: str, turn_id: int) -> ThreadItem:
    item = {"call_id": call_id, "output": "22"}
    return ThreadItem(kind=ItemKind.TOOL_OUTPUT, item=item, turn_id=turn_id)


def held(history: Sequence[ThreadItem], *more: Item, is_whole: bool = True) -> Held:
    """Hold a history as the provider would, with ids of its own."""
    items = [{"id": f"item_{n}", **item} for n, item in enumerate(news(history, 0))]
    return Held(items=[*items, *more], is_whole=is_whole)


def told(found: Compared | None) -> list[str]:
    """What has to be sent, in a word each."""
    assert found is not None
    return [str(item.get("call_id") or item.get("content")) for item in found.lacking]


TALK = [asked("one", 1), answered("first", 1, "msg_1"), asked("two", 2)]


def test_what_is_there_is_not_sent_again():
    assert told(compared([*TALK, asked("more", 2)], 1, held(TALK))) == ["Ana: more"]


def test_the_same_words_said_twice_are_sent_twice():
    history = [asked("yes", 1), answered("ok", 1), asked("yes", 2), asked("yes", 2)]

    assert told(compared(history, 1, held(history[:2]))) == ["Ana: yes", "Ana: yes"]
    assert told(compared(history, 1, held(history[:3]))) == ["Ana: yes"]


def test_words_of_long_ago_do_not_count_for_those_of_now():
    history = [
        asked("yes", 1),
        answered("ok", 1, "msg_1"),
        called("c1", 2),
        came("c1", 2),
        asked("yes", 3),
    ]
    before = [dict(history[1].item), {"id": "fc_1", **history[2].item}]

    cut = Held(items=[{"id": "x"}, *before], is_whole=False)
    assert told(compared(history, 2, cut)) == ["c1", "Ana: yes"]


def test_where_nothing_is_known_of_what_is_there_it_is_not_guessed():
    assert compared(TALK, 1, Held(items=[{"id": "x"}], is_whole=False)) is None


def test_of_an_answer_stopped_here_the_whole_may_be_there():
    history = [asked("one", 1), answered("It was a d", 1), asked("two", 2)]
    whole = answered("It was a dark night.", 1)

    assert told(compared(history, 0, held([history[0], whole]))) == ["Ana: two"]


def test_an_answer_that_nobody_heard_is_gained():
    found = compared(TALK, 1, held([*TALK, answered("second", 2)]))

    assert found is not None
    assert found.lacking == []
    [gained] = found.gained
    assert gained["content"][0]["text"] == "second"


def test_calls_that_nobody_heard_are_closed_once_people_went_on():
    history = [*TALK, asked("never mind", 3)]

    found = compared(history, 1, held(TALK, dict(called("c9", 2).item)))

    assert told(found) == ["c9", "Ana: never mind"]


def test_thoughts_alone_are_no_answer():
    thought = {"id": "rs_1", "type": "reasoning", "summary": []}

    found = compared(TALK, 1, held(TALK, thought))

    assert found == Compared(lacking=[], gained=[])


_TURN = st.one_of(
    st.just(["asked", "answered"]),
    st.just(["asked", "called", "came", "answered"]),
    st.just(["asked", "called", "called", "came", "came", "answered"]),
    st.just(["asked", "asked", "answered"]),
    st.just(["asked"]),
)


def talk_of(turns: Sequence[Sequence[str]]) -> list[ThreadItem]:
    history = []
    for turn_id, kinds in enumerate(turns, 1):
        calls = 0
        outputs = 0
        for kind in kinds:
            match kind:
                case "asked":
                    history.append(asked("again", turn_id))
                case "answered":
                    history.append(answered("ok", turn_id, f"msg_{turn_id}"))
                case "called":
                    history.append(called(f"c{turn_id}_{calls}", turn_id))
                    calls += 1
                case _:
                    history.append(came(f"c{turn_id}_{outputs}", turn_id))
                    outputs += 1
    return history


@given(st.lists(_TURN, min_size=1, max_size=5), st.integers(0, 30), st.integers(0, 5))
def test_whatever_was_kept_the_rest_is_sent_once_and_in_order(
    turns: list[list[str]], count: int, told_turns: int
):
    history = talk_of(turns)
    whole = news(history, 0)
    known = len(news([i for i in history if i.turn_id <= told_turns], 0))
    kept = whole[: max(known, min(count, len(whole)))]
    items = [{"id": f"x{number}", **item} for number, item in enumerate(kept)]

    found = compared(history, told_turns, Held(items=items, is_whole=True))

    assert found is not None
    assert [*kept, *found.lacking] == whole
