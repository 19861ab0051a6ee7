"""Which server is sent which fields, and what these tell of people."""

from dataclasses import replace

import pytest

from app.assistants.responses_profile import (
    COMPATIBLE,
    OPENAI,
    OPENAI_WITHOUT_REASONING,
    Capabilities,
    Identifiers,
    Profile,
)
from app.domain import ChannelKind, Lease, SlackThread, Turn, TurnMessage

TURN = Turn(
    lease=Lease(team_id="T1", conversation_id=1, turn_id=7, epoch=1),
    thread=SlackThread(team_id="T1", channel_id="C1", thread_ts="1.000001"),
    assistant_thread_id=3,
    messages=(),
    channel_kind=ChannelKind.CHANNEL,
)


def asked_by(*author_ids: str, team_id: str = "T1") -> Turn:
    messages = tuple(
        TurnMessage(
            seq=seq,
            ts=f"{seq}.0",
            author_id=author_id,
            author_team_id=None,
            text="hello",
            files=(),
            mentioned=True,
            wanted=True,
        )
        for seq, author_id in enumerate(author_ids)
    )
    lease = replace(TURN.lease, team_id=team_id)
    return replace(TURN, lease=lease, messages=messages)


@pytest.mark.parametrize(
    ("base_url", "profile"),
    [
        ("https://api.openai.com/v1/", Profile.OPENAI),
        ("https://eu.api.openai.com/v1/", Profile.OPENAI),
        ("https://rooms.openai.azure.com/openai/v1/", Profile.AZURE),
        ("https://rooms.services.ai.azure.com/openai/v1/", Profile.AZURE),
        ("http://127.0.0.1:11434/v1", Profile.COMPATIBLE),
        ("https://api.openai.com.example.org/v1", Profile.COMPATIBLE),
        ("https://fakeapi.openai.com/v1", Profile.COMPATIBLE),
        ("https://gateway.example.org/api.openai.com/v1", Profile.COMPATIBLE),
    ],
)
def test_a_server_is_known_by_its_host(base_url: str, profile: Profile):
    assert Profile.of(base_url) is profile


@pytest.mark.parametrize(
    ("base_url", "model", "capabilities"),
    [
        ("https://api.openai.com/v1/", "gpt-6-luna", OPENAI),
        ("https://api.openai.com/v1/", "gpt-4.1-mini", OPENAI_WITHOUT_REASONING),
        ("https://api.openai.com/v1/", "ft:gpt-4.1:us::1", OPENAI_WITHOUT_REASONING),
        ("https://api.openai.com/v1/", "gpt-5-chat-latest", OPENAI_WITHOUT_REASONING),
        ("https://api.openai.com/v1/", "ft:gpt-6-luna:us::1", OPENAI),
        ("https://a.openai.azure.com/openai/v1/", "gpt-6-luna", OPENAI),
        ("https://a.openai.azure.com/openai/v1/", "gpt-41", OPENAI_WITHOUT_REASONING),
        (
            "https://a.openai.azure.com/openai/v1/",
            "gpt-5-chat",
            OPENAI_WITHOUT_REASONING,
        ),
        ("https://a.openai.azure.com/openai/v1/", "o4-mini", OPENAI),
        (
            "https://a.openai.azure.com/openai/v1/",
            "our-chat",
            OPENAI_WITHOUT_REASONING,
        ),
        ("http://127.0.0.1:8000/v1", "gpt-6-luna", COMPATIBLE),
    ],
)
def test_fields_that_may_be_refused_are_for_those_that_take_them(
    base_url: str, model: str, capabilities: Capabilities
):
    assert Capabilities.of(base_url, model) == capabilities


def test_a_person_has_one_name_that_tells_nothing():
    names = Identifiers("sk-1")
    ana = names.fields(asked_by("U_BEN", "U_ANA"))["safety_identifier"]

    assert ana == names.fields(asked_by("U_ANA"))["safety_identifier"]
    assert ana != names.fields(asked_by("U_BEN"))["safety_identifier"]
    assert ana != names.fields(asked_by("U_ANA", team_id="T2"))["safety_identifier"]
    other_key = Identifiers("sk-2")
    assert ana != other_key.fields(asked_by("U_ANA"))["safety_identifier"]
    assert len(ana) <= 128
    assert "U_ANA" not in ana


def test_where_nobody_asked_only_the_thread_is_named():
    assert Identifiers("sk-1").fields(TURN) == {"prompt_cache_key": "threadline-3"}
