"""What an event of Slack's means to us."""

import pytest

from app.domain import (
    ChannelKind,
    DeletedMessage,
    DeletedReply,
    IncomingMessage,
    SlackThread,
)
from app.slack.incoming import Dropped, Read, read_event
from tests.unit.slack.inward.recorded import (
    ANA,
    BEN,
    BOT,
    CHANNEL,
    ROOT_TS,
    all_recorded,
    event,
    recorded,
)


def read(name: str, **changes: object) -> Read:
    return read_event(event(name, **changes), BOT)


def message(name: str, **changes: object) -> IncomingMessage:
    found = read(name, **changes)
    assert isinstance(found, IncomingMessage), found
    return found


def dropped(name: str, **changes: object) -> str:
    found = read(name, **changes)
    assert isinstance(found, Dropped), found
    return found.reason


def test_a_mention_is_a_message_to_the_bot_without_its_name() -> None:
    found = message("app_mention")

    assert found.text == "set the kitchen to 23"
    assert found.mentioned
    assert (found.author_id, found.ts) == (ANA, ROOT_TS)
    assert (found.thread.team_id, found.thread.channel_id) == (BOT.team_id, CHANNEL)
    assert not found.in_thread


def test_the_two_events_of_one_mention_say_the_same() -> None:
    mention, plain = message("app_mention"), message("message_channel_mention")

    assert plain == mention


def test_a_channel_message_that_is_not_for_us_is_dropped_before_the_database() -> None:
    assert dropped("message_channel_unrelated") == "unrelated"


def test_a_reply_in_a_thread_is_kept_as_slack_escaped_it() -> None:
    found = message("message_channel_thread_reply")

    assert found.in_thread
    assert not found.mentioned
    assert found.text == "and the bedroom &amp; the bath &lt;to 19&gt;"


def test_a_direct_message_is_the_root_of_its_own_thread() -> None:
    found = message("message_im")

    assert found.channel_kind is ChannelKind.IM
    assert found.thread.thread_ts == found.ts


def test_a_group_message_is_for_us_when_it_names_us_with_a_label() -> None:
    found = message("message_mpim_mention")

    assert found.mentioned
    assert found.channel_kind is ChannelKind.MPIM
    assert found.text == "hey, are you there?"


def test_a_group_message_without_a_mention_is_dropped() -> None:
    assert dropped("message_mpim_mention", text="just us") == "unrelated"


def test_a_reply_that_was_also_sent_to_the_channel_is_a_reply() -> None:
    found = message("message_group_thread_broadcast")

    assert found.thread.thread_ts == ROOT_TS
    assert found.channel_kind is ChannelKind.GROUP


def test_files_are_known_by_their_outside_and_removed_ones_are_not() -> None:
    (file,) = message("message_im_file_share").files

    assert (file.file_id, file.name) == ("F0PLAN0001", "plan.pdf")
    assert file.mimetype == "application/pdf"


def test_no_more_than_twenty_files_are_kept_and_their_names_are_one_short_line() -> (
    None
):
    files = [{"id": f"F{n:04}", "name": "a\nb" * 100} for n in range(30)]
    found = message("message_im_file_share", files=files)

    assert len(found.files) == 20
    assert len(found.files[0].name) <= 100
    assert "\n" not in found.files[0].name


def test_a_message_in_the_third_person_is_a_message() -> None:
    assert message("message_im_me").text == "waves"


@pytest.mark.parametrize(
    ("raw", "text"),
    [
        ("<@U0BOT00001> hello", "hello"),
        ("<@U0BOT00001>: hello", "hello"),
        ("<@U0BOT00001>, hello", "hello"),
        ("<@U0BOT00001> :wave: hello", ":wave: hello"),
        ("<@U0BOT00001> <@U0BOT00001|threadline> hello", "hello"),
        ("hello <@U0BOT00001>", "hello"),
        ("hello <@U0BOT00001>!", "hello!"),
        ("run `<@U0BOT00001> x` now", "run ` x` now"),
        ("<@U0BOT00001>", ""),
        ("  <@U0BOT00001>  ", ""),
        ("<@U0BOT00001> tell <@U0BEN00001> &lt;b&gt;", "tell <@U0BEN00001> &lt;b&gt;"),
        ("<@U0BOT00001>\nline one\n  line two", "line one\n  line two"),
        ("🎉", "🎉"),
    ],
)
def test_the_bots_own_name_is_taken_out_and_all_other_markup_stays(
    raw: str, text: str
) -> None:
    assert message("message_im", text=raw).text == text


def test_a_mention_inside_code_counts() -> None:
    assert message("message_channel_unrelated", text="`<@U0BOT00001>`").mentioned


def test_an_escaped_mention_is_none() -> None:
    reason = dropped("message_channel_unrelated", text="&lt;@U0BOT00001&gt; hi")

    assert reason == "unrelated"


@pytest.mark.parametrize(
    ("raw", "expected"),
    [
        ("<@U0BEN00001> what do you think?", True),
        ("  <@U0BEN00001|ben> and <@U0BOT00001>", True),
        ("<!subteam^S0123|@team> look", True),
        ("<!here> look", True),
        ("<@U0BOT00001> ask <@U0BEN00001>", False),
        ("what does <@U0BEN00001> think?", False),
        ("&lt;@U0BEN00001&gt; literally", False),
    ],
)
def test_a_message_that_opens_by_calling_somebody_else_says_so(
    raw: str, expected: bool
) -> None:
    assert message("message_im", text=raw).mentions_other_first is expected


def test_a_very_long_message_is_cut_at_the_limit_of_slack() -> None:
    assert len(message("message_im", text="x" * 60_000).text) == 40_000


def test_what_a_database_cannot_store_does_not_reach_it() -> None:
    text = message("message_im", text="a\x00b\ud800c").text

    assert "\x00" not in text
    assert text.encode()


def test_a_mention_beyond_the_limit_still_counts() -> None:
    long = "x" * 50_000 + " <@U0BOT00001>"

    assert message("message_channel_unrelated", text=long).mentioned


def test_an_edit_of_the_text_is_a_newer_version_of_the_message() -> None:
    found = message("message_changed_edit")

    assert found.ts == ROOT_TS
    assert found.text == "set the kitchen to 21"
    assert found.edited_ts == "1800000020.000900"


def test_of_two_edits_in_one_second_the_later_is_newer() -> None:
    first = message("message_changed_edit", ts="1800000020.000100")
    second = message("message_changed_edit", ts="1800000020.000200")

    assert float(first.edited_ts or 0) < float(second.edited_ts or 0)


def test_an_edit_that_adds_the_mention_calls_the_bot() -> None:
    assert message("message_changed_mention_added").mentioned


def test_an_edit_that_takes_the_mention_away_still_reaches_the_stored_message() -> None:
    found = message("message_changed_mention_removed")

    assert not found.mentioned
    assert found.text == "set the kitchen to 23"


def test_an_edit_that_takes_a_file_away_is_a_real_one() -> None:
    assert message("message_changed_file_removed").files == ()


def test_the_mention_that_comes_with_an_edit_says_which_version_it_is() -> None:
    assert message("app_mention_after_edit").edited_ts == "1800000020.000000"


@pytest.mark.parametrize(
    ("name", "reason"),
    [
        ("message_changed_unfurl", "no real edit"),
        ("message_changed_reply_count", "no real edit"),
        ("message_changed_own_echo", "own"),
        ("message_own", "own"),
        ("message_channel_join", "subtype"),
        ("message_deleted_unrelated", "unrelated"),
        ("app_home_opened", "not a message"),
    ],
)
def test_what_slack_tells_beside_is_dropped(name: str, reason: str) -> None:
    assert dropped(name) == reason


def test_a_removed_message_of_ours_is_known_by_its_thread() -> None:
    thread = SlackThread(team_id=BOT.team_id, channel_id=CHANNEL, thread_ts=ROOT_TS)

    found = read("message_deleted_own")

    assert found == DeletedReply(thread=thread, ts="1800000009.000100")


@pytest.mark.parametrize("thread_ts", [..., "1800000009.000100", "soon"])
def test_a_removed_message_of_ours_outside_of_threads_is_dropped(
    thread_ts: object,
) -> None:
    before = dict(recorded("message_deleted_own")["event"]["previous_message"])
    before["thread_ts"] = thread_ts
    if thread_ts is ...:
        del before["thread_ts"]

    reason = dropped("message_deleted_own", previous_message=before)

    assert reason in ("own", "malformed")


def test_an_edit_without_the_version_before_counts_only_when_slack_dates_it() -> None:
    assert message("message_changed_edit", previous_message=...).edited_ts
    assert dropped("message_changed_unfurl", previous_message=...) == "no real edit"


def test_an_edit_of_an_unrelated_channel_message_is_dropped() -> None:
    before = {**recorded("message_channel_unrelated")["event"], "text": "lunch?"}
    after = {**before, "text": "dinner?", "edited": {"user": ANA, "ts": "1.000000"}}

    reason = dropped("message_changed_edit", message=after, previous_message=before)

    assert reason == "unrelated"


@pytest.mark.parametrize(
    ("name", "thread_ts"),
    [("message_deleted", None), ("message_changed_tombstone", ROOT_TS)],
)
def test_a_removed_message_is_to_be_forgotten(name: str, thread_ts: str | None) -> None:
    found = read(name)

    assert found == DeletedMessage(
        team_id=BOT.team_id,
        channel_id=CHANNEL,
        ts=ROOT_TS,
        thread_ts=thread_ts,
        mentioned=True,
    )


def test_a_removed_message_that_once_named_us_is_to_be_forgotten() -> None:
    before = recorded("message_deleted_unrelated")["event"]["previous_message"]
    edited = {**before, "edited": {"user": ANA, "ts": "1800000001.000000"}}

    found = read("message_deleted_unrelated", previous_message=edited)

    assert isinstance(found, DeletedMessage)


def test_a_removed_direct_message_is_to_be_forgotten() -> None:
    found = read("message_deleted_unrelated", channel="D0ANA00001", channel_type="im")

    assert isinstance(found, DeletedMessage)


@pytest.mark.parametrize("name", ["message_other_bot", "message_classic_bot"])
def test_other_programs_are_known_for_what_they_are(name: str) -> None:
    assert message(name).from_bot


def test_slackbot_is_a_program() -> None:
    assert message("message_im", user="USLACKBOT").from_bot


def test_people_are_not_taken_for_programs() -> None:
    assert not message("message_im").from_bot


def test_an_author_of_another_organisation_is_external() -> None:
    found = message("message_external_author")

    assert found.external
    assert found.author_team_id == "T0AWAY0001"
    assert found.thread.team_id == BOT.team_id


def test_our_own_people_in_a_shared_channel_are_not_external() -> None:
    found = message("message_external_author", user_team=..., team=BOT.team_id)

    assert not found.external


def test_in_a_shared_channel_an_author_of_unknown_team_is_external() -> None:
    found = message("message_external_author", user_team=..., team=...)

    assert found.external


def test_colleagues_of_another_workspace_of_the_organisation_are_not_external() -> None:
    payload = event("message_channel_mention", team="T0OTHER001")
    payload["enterprise_id"] = "E0ORG00001"

    found = read_event(payload, BOT)

    assert isinstance(found, IncomingMessage)
    assert not found.external


@pytest.mark.parametrize(
    ("channel", "kind"),
    [
        ("C0GENERAL1", ChannelKind.CHANNEL),
        ("G0PRIVATE1", ChannelKind.GROUP),
        ("D0ANA00001", ChannelKind.IM),
    ],
)
def test_a_mention_does_not_say_where_it_was_but_the_channels_id_does(
    channel: str, kind: ChannelKind
) -> None:
    assert message("app_mention", channel=channel).channel_kind is kind


@pytest.mark.parametrize(
    "changes",
    [
        {"ts": "yesterday"},
        {"ts": "1800000000"},
        {"ts": "1800000000.0001000"},
        {"ts": 1800000000.0001},
        {"ts": ...},
        {"thread_ts": "x"},
        {"channel": ...},
        {"channel": {"id": "C0GENERAL1"}},
        {"channel": "../etc"},
        {"user": ...},
        {"user": "<@U0BEN00001>"},
        {"user": [BEN]},
    ],
)
def test_a_message_without_a_place_a_time_or_an_author_is_dropped(
    changes: dict[str, object],
) -> None:
    assert dropped("message_im", **changes) == "malformed"


@pytest.mark.parametrize("subtype", [1, [], {}, "file_share\n", "unknown"])
def test_an_unknown_kind_of_message_is_dropped(subtype: object) -> None:
    assert dropped("message_im", subtype=subtype) == "subtype"


@pytest.mark.parametrize("text", [None, 1, [], {"a": 1}])
def test_a_text_that_is_none_is_an_empty_one(text: object) -> None:
    assert message("message_im", text=text).text == ""


def test_every_recorded_payload_has_a_meaning() -> None:
    reads = [read_event(payload, BOT) for payload in all_recorded().values()]

    assert all(isinstance(found, Read) for found in reads)
