"""Signed payloads with anything in the place of anything else."""

import random
from copy import deepcopy
from pathlib import Path
from typing import Any

import pytest
from slack_sdk.web.async_client import AsyncWebClient

from app.slack.bolt import build_bolt, dispatch
from tests.contracts.intake_double import InboxDouble, clicks_around, intake_around
from tests.unit.slack.inward.recorded import BOT, all_recorded, recorded

JUNK: tuple[Any, ...] = (
    None,
    True,
    0,
    -1,
    1e308,
    "",
    "x",
    "\x00\ud800",
    "U0ANA00001",
    "1800000000.000100",
    "event_callback",
    "block_actions",
    "interactive_message",
    "view_submission",
    "shortcut",
    "workflow_step",
    "workflow_step_execute",
    "function_executed",
    [],
    [None],
    [[]],
    ["id"],
    {},
    {"id": 1},
    {"id": None},
    {"type": "message"},
    {"": ""},
)


async def test_ten_thousand_signed_payloads_gone_wrong_are_all_acknowledged() -> None:
    inbox = InboxDouble()
    client = AsyncWebClient(token="xoxb-test", base_url="http://127.0.0.1:9/api/")
    intake, _ = intake_around(inbox, client)
    bolt = build_bolt(client, BOT, intake, clicks_around(intake))
    dice = random.Random(4)  # noqa: S311 - the same faults each time
    payloads = list(all_recorded().values())

    refused = [
        (payload, response.status)
        for payload in (_gone_wrong(dice, dice.choice(payloads)) for _ in range(10_000))
        if (response := await dispatch(bolt, payload)).status != 200
    ]

    await intake.close()
    assert refused == []
    assert inbox.messages, "no payload was left intact enough to be stored"
    for message in inbox.messages:
        words = [message.text, *(file.name for file in message.files)]
        assert all(each.encode().decode() == each for each in words)
        assert "\x00" not in message.text


async def test_what_stands_in_the_environment_for_other_bots_changes_nothing(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    monkeypatch.setenv("HOME", str(tmp_path))
    for name in ("CLIENT_ID", "CLIENT_SECRET", "SIGNING_SECRET", "BOT_TOKEN"):
        monkeypatch.setenv(f"SLACK_{name}", "from the environment")
    inbox = InboxDouble()
    client = AsyncWebClient(token="xoxb-test", base_url="http://127.0.0.1:9/api/")
    intake, _ = intake_around(inbox, client)

    response = await dispatch(
        build_bolt(client, BOT, intake, clicks_around(intake)), recorded("app_mention")
    )

    await intake.close()
    assert response.status == 200
    assert len(inbox.messages) == 1
    assert list(tmp_path.iterdir()) == []  # noqa: ASYNC240 - a test's own folder


def _gone_wrong(dice: random.Random, payload: dict[str, Any]) -> dict[str, Any]:
    payload = deepcopy(payload)
    for _ in range(dice.randint(1, 3)):
        holder, key = _somewhere(dice, payload)
        match dice.randrange(4):
            case 0 if isinstance(holder, dict):
                del holder[key]
            case 1:
                holder[key] = {"event": holder[key]}
            case 2:
                holder[key] = [holder[key]]
            case _:
                holder[key] = deepcopy(dice.choice(JUNK))
        if not payload:
            return payload
    return payload


def _somewhere(dice: random.Random, payload: dict[str, Any]) -> tuple[Any, Any]:
    holder: Any = payload
    while True:
        keys = list(holder) if isinstance(holder, dict) else list(range(len(holder)))
        key = dice.choice(keys)
        inner = holder[key]
        if not (isinstance(inner, dict | list) and inner) or dice.random() < 0.3:
            return holder, key
        holder = inner
