"""The control API: what the page and outside tools see and do."""

import asyncio
import json
from collections.abc import AsyncIterator
from typing import Any

import aiohttp
import pytest
from slack_sdk.errors import SlackApiError
from slack_sdk.web.async_client import AsyncWebClient

from app.sandbox.server import Sandbox

GENERAL = "C0GENERAL1"
Json = dict[str, Any]


class Remote:
    """Speaks to the control API as the page does."""

    def __init__(self, sandbox: Sandbox, session: aiohttp.ClientSession) -> None:
        self._base = f"{sandbox.url}control/"
        self._session = session

    async def get(self, path: str, **query: str) -> Json:
        async with self._session.get(self._base + path, params=query) as response:
            return dict(await response.json())

    async def post(self, path: str, **given: Any) -> Json:  # noqa: ANN401 - any JSON
        async with self._session.post(self._base + path, json=given) as response:
            return dict(await response.json())


class Page:
    """Listens to the stream as the page does."""

    def __init__(self, response: aiohttp.ClientResponse) -> None:
        self._response = response
        self.heard: list[Json] = []

    async def until(self, kind: str) -> Json:
        """Return the next event of a kind."""
        async with asyncio.timeout(5):
            while True:
                line = (await self._response.content.readline()).decode()
                if line.startswith("data: "):
                    event: Json = json.loads(line.removeprefix("data: "))
                    self.heard.append(event)
                    if event["kind"] == kind:
                        return event


@pytest.fixture
async def sandbox() -> AsyncIterator[Sandbox]:
    running = await Sandbox.start(retry_scale=0.001)
    yield running
    await running.close()


@pytest.fixture
async def session() -> AsyncIterator[aiohttp.ClientSession]:
    async with aiohttp.ClientSession() as opened:
        yield opened


@pytest.fixture
def remote(sandbox: Sandbox, session: aiohttp.ClientSession) -> Remote:
    return Remote(sandbox, session)


@pytest.fixture
def slack(sandbox: Sandbox, session: aiohttp.ClientSession) -> AsyncWebClient:
    return AsyncWebClient(
        token=sandbox.bot_token, base_url=sandbox.api_url, session=session
    )


@pytest.fixture
async def page(sandbox: Sandbox, session: aiohttp.ClientSession) -> AsyncIterator[Page]:
    async with session.get(f"{sandbox.url}control/stream") as response:
        assert response.content_type == "text/event-stream"
        await response.content.readline()
        yield Page(response)


async def test_the_workspace_is_told(remote: Remote) -> None:
    told = await remote.get("workspace")
    assert [person["name"] for person in told["people"]] == ["ana", "ben", "chloe"]
    channels = {channel["name"]: channel for channel in told["channels"]}
    assert channels["general"]["is_member_bot"]
    assert not channels["random"]["is_member_bot"]
    assert channels["dm:ana"]["kind"] == "im"
    assert told["limits"]["chat.update"]["per_minute"] == 50
    assert told["limits"]["chat.update"]["left"] == 10
    assert told["mode"] == "socket"


async def test_messages_are_told_with_their_replies_to_those_who_are_there(
    sandbox: Sandbox, remote: Remote, slack: AsyncWebClient
) -> None:
    said = await remote.post("say", user="ana", channel="#general", text="hello")
    await slack.chat_postMessage(channel=GENERAL, text="hi", thread_ts=said["ts"])
    ana = sandbox.people["ana"].user_id
    await slack.chat_postEphemeral(channel=GENERAL, user=ana, text="psst")
    await slack.assistant_threads_setStatus(
        channel_id=GENERAL, thread_ts=said["ts"], status="is thinking"
    )
    told = await remote.get("messages", channel=GENERAL, **{"as": "ana"})
    (message,) = told["messages"]
    assert message["author"] == "Ana"
    assert [reply["text"] for reply in message["replies"]] == ["hi"]
    assert [one["text"] for one in told["ephemerals"]] == ["psst"]
    assert told["statuses"] == {said["ts"]: "is thinking"}
    others = await remote.get("messages", channel=GENERAL, **{"as": "ben"})
    assert others["ephemerals"] == []
    private = sandbox.channel_id("#home-team")
    outside = await remote.get("messages", channel=private, **{"as": "chloe"})
    assert "error" in outside


async def test_people_act_through_it(sandbox: Sandbox, remote: Remote) -> None:
    where = {"user": "ana", "channel": "#general"}
    ts = (await remote.post("say", **where, text="helo"))["ts"]
    await remote.post("edit", **where, ts=ts, text="hello")
    await remote.post("react", **where, ts=ts, name="eyes")
    (message,) = sandbox.messages("#general")
    assert (message.text, list(message.reactions)) == ("hello", ["eyes"])
    await remote.post("delete", **where, ts=ts)
    assert sandbox.messages("#general") == []
    await remote.post("bot", **where, joined=False)
    told = await remote.get("workspace")
    assert not told["channels"][0]["is_member_bot"]


async def test_what_cannot_be_done_is_told_in_a_sentence(
    sandbox: Sandbox, remote: Remote
) -> None:
    ts = await sandbox.say("ana", "#general", "mine")
    by_ben = {"user": "ben", "channel": "#general"}
    attempts = [
        ("edit", {**by_ben, "ts": ts, "text": "x"}, "ben did not write"),
        ("say", {**by_ben, "channel": "#nowhere", "text": "x"}, "no channel #nowhere"),
        ("say", {"user": "eve", "channel": "#general", "text": "x"}, "eve"),
        ("say", {"user": "ben", "channel": "#general"}, "missing: 'text'"),
        ("say", {**by_ben, "text": ""}, "empty"),
        ("click", {**by_ben, "ts": ts, "action_id": "stop"}, "button stop"),
        ("fault", {"target": "chat.update", "kind": "never"}, "never"),
    ]
    for path, given, sentence in attempts:
        assert sentence in (await remote.post(path, **given))["error"]


async def test_only_json_is_taken(
    sandbox: Sandbox, session: aiohttp.ClientSession
) -> None:
    url = f"{sandbox.url}control/say"
    form = {"user": "ana", "channel": "#general", "text": "hello"}
    async with session.post(url, data=form) as response:
        assert response.status == 400
    # What a foreign page may send unasked, were it not for its origin.
    async with session.post(url, data=json.dumps(form)) as response:
        assert response.status == 400
    async with session.post(url, json=["hello"]) as response:
        assert response.status == 400
    headers = {"Content-Type": "application/json"}
    async with session.post(url, data="{", headers=headers) as response:
        assert response.status == 400
    assert sandbox.messages("#general") == []


async def test_limits_and_faults_are_set_through_it(
    remote: Remote, slack: AsyncWebClient
) -> None:
    await remote.post("limit", method="chat.update", per_minute=5, shape="window")
    rule = (await remote.get("workspace"))["limits"]["chat.update"]
    assert (rule["per_minute"], rule["shape"], rule["left"]) == (5, "window", 5)
    await remote.post(
        "fault", target="auth.test", kind="status", count=1, value=[429, 9]
    )
    with pytest.raises(SlackApiError) as limited:
        await slack.auth_test()
    assert limited.value.response.headers["Retry-After"] == "9"


async def test_the_journal_goes_on_from_where_one_stopped(
    sandbox: Sandbox, remote: Remote, slack: AsyncWebClient
) -> None:
    await slack.auth_test()
    first = await remote.get("journal", since="0")
    await slack.chat_postMessage(channel=GENERAL, text="a")
    since = first["calls"][-1]["seq"]
    second = await remote.get("journal", since=str(since))
    assert [call["method"] for call in first["calls"]] == ["auth.test"]
    assert [call["method"] for call in second["calls"]] == ["chat.postMessage"]
    assert second["calls"][0]["left"] == 59
    assert sandbox.bot_token not in json.dumps([first, second])


async def test_the_page_hears_of_everything_as_it_happens(
    sandbox: Sandbox, slack: AsyncWebClient, page: Page
) -> None:
    ts = await sandbox.say("ana", "#general", "hello")
    assert (await page.until("posted"))["message"]["text"] == "hello"
    await slack.assistant_threads_setStatus(
        channel_id=GENERAL, thread_ts=ts, status="is thinking"
    )
    assert (await page.until("status"))["status"] == "is thinking"
    post = await slack.chat_postMessage(channel=GENERAL, text="hi", thread_ts=ts)
    assert (await page.until("status"))["status"] == ""
    notification = await page.until("notification")
    assert notification["for"] == sandbox.people["ana"].user_id
    assert notification["thread_ts"] == ts
    await slack.chat_update(channel=GENERAL, ts=post["ts"], text="hi again")
    changes = [await page.until("changed") for _ in range(2)]
    assert [change["why"] for change in changes] == ["reply", "edit"]
    assert changes[1]["message"]["text"] == "hi again"
    call = (await page.until("call"))["call"]
    assert (call["method"], call["left"]) == ("chat.update", 9)
    await slack.chat_delete(channel=GENERAL, ts=post["ts"])
    assert (await page.until("deleted"))["ts"] == post["ts"]
    assert (await page.until("delivery"))["delivery"]["via"] == "socket"


async def test_what_slack_would_fetch_and_ping_is_told(
    sandbox: Sandbox, remote: Remote, slack: AsyncWebClient
) -> None:
    await slack.chat_postMessage(channel=GENERAL, text="<!here> https://a.example")
    told = await remote.get("notifications", user="ana")
    assert [one["why"] for one in told["notifications"]] == ["here"]
    assert [one["url"] for one in told["fetches"]] == ["https://a.example"]
    assert [one["token"] for one in told["live_tokens"]] == ["<!here>"]
    assert sandbox.notifications("ana")
