"""Composition root: the only place that picks concrete classes."""

import errno
import fcntl
import os
import secrets
from collections.abc import (
    AsyncGenerator,
    Callable,
    Generator,
    Mapping,
    Sequence,
)
from contextlib import AsyncExitStack, asynccontextmanager, contextmanager
from dataclasses import dataclass
from pathlib import Path

from aiohttp import web
from openai import AsyncOpenAI
from slack_sdk.web.async_client import AsyncWebClient

from app.assistants.assistant import Assistant
from app.assistants.assistants_api import AssistantsAssistant
from app.assistants.conversation_api import ConversationAssistant
from app.assistants.instructions import INSTRUCTIONS
from app.assistants.prices import bill, price_of
from app.assistants.responses_api import ResponsesAssistant
from app.connections import (
    model_client_of,
    open_database,
    past_a_pooler,
    slack_client,
)
from app.domain import Lease, Turn
from app.errors import SettingsError
from app.health import add_health_routes, listening
from app.readiness import readiness
from app.sandbox.model.assistants.threads import ASSISTANT_ID
from app.sandbox.server import Sandbox
from app.settings import Settings
from app.slack.access import Access
from app.slack.bolt import build_bolt
from app.slack.bot import Introduction, introduce
from app.slack.catch_up import CatchUp
from app.slack.clicks import Clicks
from app.slack.context import ThreadContext
from app.slack.http import add_slack_routes
from app.slack.intake import Intake
from app.slack.late_lines import LateLines
from app.slack.outbound import Outbound
from app.slack.people import People
from app.slack.replies.replies import Replies
from app.slack.socket_mode import SocketMode
from app.storage.absences import Absences
from app.storage.company import Company
from app.storage.data_messages import DataMessages
from app.storage.database import Database
from app.storage.doubts import Doubts
from app.storage.inbox import Inbox
from app.storage.late_notes import LateNotes
from app.storage.leases import Leases
from app.storage.listener import Listener
from app.storage.policy import AnswerPolicy
from app.storage.remote_threads import RemoteThreads
from app.storage.reply_parts import ReplyParts
from app.storage.resumptions import Resumptions
from app.storage.rooms import Rooms
from app.storage.tool_calls import ToolLedger
from app.storage.turns import TurnStore
from app.storage.wakeup import Hint, Joined, Wakeup
from app.storage.web_threads import WebThreads
from app.storage.window import HistoryWindow
from app.tools.found import own_tools
from app.tools.home import home_tools
from app.tools.tool import Tool
from app.tools.toolbox import Toolbox, are_trusted
from app.turns.answer import Answerer, Bill, OpenReply
from app.turns.prepare import Preparation
from app.turns.reply import Reply
from app.turns.run_turn import TurnRunner
from app.turns.side_tasks import SideTasks
from app.turns.worker import Worker
from app.web.counter import Counter
from app.web.routes import add_web_routes

_PORTS_TRIED = 20
# Seconds that a database which may be away gets to say goodbye.
_GOODBYE = 2.0


@dataclass(frozen=True, slots=True, kw_only=True)
class RunningBot:
    """A bot that takes messages; `address` is where its HTTP server listens."""

    introduction: Introduction
    address: str


@dataclass(frozen=True, slots=True, kw_only=True)
class RunningSandbox:
    """A small Slack, and the bot in it if there is one, with its web token."""

    sandbox: Sandbox
    bot: RunningBot | None = None
    web_api_token: str = ""


@asynccontextmanager
async def running_bot(settings: Settings) -> AsyncGenerator[RunningBot]:
    """Serve the workspace of the settings until the block is left.

    On leaving, intake stops first; turns under way are handed over; Slack keeps what
    it has. Raises SettingsError, FaultyTools, CredentialsRefused, SlackError,
    DatabaseUnavailable or OSError, each saying what is wrong, before anything is
    served.
    """
    # Read first, so that their faults are told before anybody is asked for anything.
    own_tools()
    async with AsyncExitStack() as stack:
        database = await open_database(settings, stack)
        client = await slack_client(settings, stack)
        introduction = await introduce(client)
        access = Access(lambda: introduce(client))
        slack = _Slack(client=client, introduction=introduction, access=access)
        worker, intake, answerer, late_lines = await _start_answering(
            settings, database, slack, stack
        )
        clicks = Clicks(
            intake,
            Resumptions(database),
            Doubts(database),
            late_notes=LateNotes(database),
            turn_ready=worker.message_added,
            late_changed=late_lines.hurry,
        )
        bolt = build_bolt(client, introduction.bot, intake, clicks)
        socket_mode = None
        if settings.slack_app_token:
            token = settings.slack_app_token.get_secret_value()
            socket_mode = SocketMode(bolt, client, token)
            stack.push_async_callback(socket_mode.close)
            await socket_mode.start()
        web_app = web.Application()
        if settings.slack_signing_secret:
            secret = settings.slack_signing_secret.get_secret_value()
            add_slack_routes(web_app, bolt, secret)
        if settings.web_api_token:
            threads = WebThreads(database, introduction.bot.team_id)
            counter = Counter(threads=threads, worker=worker, answerer=answerer)
            token = settings.web_api_token.get_secret_value()
            add_web_routes(web_app, counter, token)
        add_health_routes(web_app, readiness(database, worker, access, socket_mode))
        address = await stack.enter_async_context(
            listening(web_app, settings.host, settings.port)
        )
        try:
            yield RunningBot(introduction=introduction, address=address)
        finally:
            if socket_mode:
                socket_mode.stop_taking()
            # While requests come to their end here, others go on already.
            worker.hand_over()


@asynccontextmanager
async def running_sandbox(
    state: Path, port: int, *, with_bot: bool, model: Mapping[str, str]
) -> AsyncGenerator[RunningSandbox]:
    """Serve a small Slack from the folder `state` until the block is left.

    Where the port is taken the next free one is used. With the bot in it, the bot's
    database lives in the same folder, so that both begin and end together. `model`
    are settings of another model than the sandbox's own, if any. Raises OSError when
    a sandbox is running in that folder already, or no port is free.
    """
    async with AsyncExitStack() as stack:
        stack.enter_context(_alone_in(state))
        sandbox = await _free_sandbox(state, port)
        stack.push_async_callback(sandbox.close)
        if not with_bot:
            yield RunningSandbox(sandbox=sandbox)
            return
        token = f"web-sandbox-{secrets.token_hex(8)}"
        settings = _sandbox_settings(sandbox, state, model, token)
        bot = await stack.enter_async_context(running_bot(settings))
        yield RunningSandbox(sandbox=sandbox, bot=bot, web_api_token=token)


@contextmanager
def _alone_in(state: Path) -> Generator[None]:
    """Hold the folder: two sandboxes in it would write over each other."""
    state.mkdir(parents=True, exist_ok=True)
    with (state / "lock").open("w") as lock:
        try:
            fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            raise OSError(f"A sandbox is running already in {state}.") from None
        yield


async def _free_sandbox(state: Path, port: int) -> Sandbox:
    for candidate in range(port, port + _PORTS_TRIED):
        try:
            return await Sandbox.start(port=candidate, state_dir=state)
        except OSError as error:
            if error.errno != errno.EADDRINUSE:
                raise
    raise OSError(f"The ports {port} to {port + _PORTS_TRIED - 1} are all taken.")


def _sandbox_settings(
    sandbox: Sandbox, state: Path, model: Mapping[str, str], web_api_token: str
) -> Settings:
    is_offline = model.keys().isdisjoint({"openai_base_url", "openai_api_key"})
    offline = {
        "openai_base_url": sandbox.model_url,
        "openai_api_key": "none",
        "assistant_id": ASSISTANT_ID,
    }
    settings = Settings.model_validate(
        {
            "slack_bot_token": sandbox.bot_token,
            "slack_app_token": sandbox.app_token,
            "slack_api_url": sandbox.api_url,
            "web_api_token": web_api_token,
            **(offline if is_offline else {}),
            **model,
            "database_url": f"sqlite:///{state / 'threadline.db'}",
            # Nobody pays for what people try out here.
            "turns_per_person_per_hour": "0",
        }
    )
    return settings.model_copy(update={"port": 0})


@dataclass(frozen=True, slots=True, kw_only=True)
class _Slack:
    """The workspace: how to reach it, who we are there, whether it lets us in."""

    client: AsyncWebClient
    introduction: Introduction
    access: Access


async def _start_answering(
    settings: Settings, database: Database, slack: _Slack, stack: AsyncExitStack
) -> tuple[Worker, Intake, Answerer, LateLines]:
    """Start the worker and what feeds it; on leaving they end in the reverse order."""
    client, access = slack.client, slack.access
    store, people = TurnStore(database), People(client)
    outbound = Outbound(client, on_access_lost=access.lost)
    stack.push_async_callback(people.close)
    policy, model = _policy(settings), await model_client_of(settings, stack)
    tools = (*home_tools(Rooms(database)), *own_tools())
    replies = _replies(
        settings, database, outbound, people, trusts_tools=are_trusted(tools)
    )
    stack.push_async_callback(replies.close)
    worker = _worker(database, store, replies, access)
    stack.push_async_callback(worker.close)
    late_lines = _late_lines(
        database, outbound, people, replies=replies, worker=worker, access=access
    )
    intake = _intake(
        database,
        policy,
        people,
        outbound,
        worker=worker,
        replies=replies,
        late_lines=late_lines,
        access=access,
    )
    stack.push_async_callback(intake.close)
    answerer = Answerer(
        open_reply=_opener(replies, worker),
        name_of=people.name_of,
        preparation=_preparation(
            settings,
            store,
            ThreadContext(client, slack.introduction.bot, people),
            intake,
        ),
        runner=_runner(settings, database, model, tools, worker.holds),
        store=store,
        data_messages=DataMessages(database),
        doubts=Doubts(database),
        bill=_bill(settings),
    )
    await worker.start(answerer)
    tasks = _side_tasks(settings, database, worker, replies, late_lines)
    stack.push_async_callback(tasks.cancel, _GOODBYE)
    tasks.repeat(access.regain)
    tasks.repeat(_catch_up(database, slack, intake, worker).look)
    return worker, intake, answerer, late_lines


def _preparation(
    settings: Settings, store: TurnStore, context: ThreadContext, intake: Intake
) -> Preparation:
    return Preparation(
        store=store,
        gather=context.gather,
        tell_refusal=intake.tell_refusal,
        policy=_policy(settings),
        turns_per_hour=settings.turns_per_person_per_hour,
    )


def _catch_up(
    database: Database, slack: _Slack, intake: Intake, worker: Worker
) -> CatchUp:
    return CatchUp(
        client=slack.client,
        bot=slack.introduction.bot,
        absences=Absences(database),
        take_in=intake.message,
        worker_id=worker.worker_id,
        is_alive=lambda: worker.is_alive,
    )


def _side_tasks(
    settings: Settings,
    database: Database,
    worker: Worker,
    replies: Replies,
    late_lines: LateLines,
) -> SideTasks:
    def hear(hint: Hint) -> None:
        if isinstance(hint, Joined):
            replies.more_people_in(hint.conversation_id)
        else:
            worker.hear(hint)

    tasks = SideTasks()
    tasks.repeat(late_lines.bring_next_up_to_date)
    if not database.is_sqlite:
        listener = Listener(past_a_pooler(settings), database, hear)
        tasks.repeat(listener.listen)
    return tasks


def _late_lines(
    database: Database,
    outbound: Outbound,
    people: People,
    *,
    replies: Replies,
    worker: Worker,
    access: Access,
) -> LateLines:
    return LateLines(
        worker_id=worker.worker_id,
        notes=LateNotes(database),
        outbound=outbound,
        send_aside=replies.send_aside,
        name_of=people.name_of,
        is_alive=lambda: worker.is_alive and access.is_granted,
    )


def _intake(
    database: Database,
    policy: AnswerPolicy,
    people: People,
    outbound: Outbound,
    *,
    worker: Worker,
    replies: Replies,
    late_lines: LateLines,
    access: Access,
) -> Intake:
    return Intake(
        inbox=Inbox(database, policy),
        people=people,
        policy=policy,
        message_added=worker.message_added,
        conversation_changed=worker.conversation_changed,
        request_local_stop=worker.request_stop,
        more_people=replies.more_people,
        late_found=late_lines.hurry,
        tell=outbound.post_ephemeral,
        access_in_doubt=access.doubt,
    )


def _worker(
    database: Database, store: TurnStore, replies: Replies, access: Access
) -> Worker:
    return Worker(
        # Whoever reads the table of workers can tell which process is meant.
        f"{os.getpid()}-{secrets.token_hex(6)}",
        store=store,
        leases=Leases(database),
        wakeup=Wakeup(),
        show_queued=replies.show_queued,
        quiet=replies.quiet,
        has_access=lambda: access.is_granted,
    )


def _opener(replies: Replies, worker: Worker) -> OpenReply:
    async def open_reply(turn: Turn) -> Reply:
        return await replies.open(
            turn,
            holds_lease=lambda: worker.holds(turn.lease),
            request_stop=worker.request_stop,
        )

    return open_reply


def _policy(settings: Settings) -> AnswerPolicy:
    return AnswerPolicy(
        allowed_channels=settings.allowed_channels,
        allow_guests=settings.allow_guests,
        allow_external=settings.allow_external,
        allowed_bots=settings.allowed_bots,
    )


def _replies(
    settings: Settings,
    database: Database,
    outbound: Outbound,
    people: People,
    *,
    trusts_tools: bool,
) -> Replies:
    return Replies(
        outbound=outbound,
        parts=ReplyParts(database),
        data_messages=DataMessages(database),
        take_company=Company(database).take,
        name_of=people.name_of,
        is_bot=people.is_bot,
        notify_after=settings.notify_after,
        first_paint=settings.first_paint,
        allowed_link_hosts=settings.allowed_link_hosts,
        trusts_tools=trusts_tools,
    )


def _runner(
    settings: Settings,
    database: Database,
    model: AsyncOpenAI,
    tools: Sequence[Tool],
    holds_lease: Callable[[Lease], bool],
) -> TurnRunner:
    ledger = ToolLedger(database)
    toolbox = Toolbox(tools, ledger, holds_lease)
    assistant = _assistant(settings, model, toolbox, database)
    return TurnRunner(assistant=assistant, toolbox=toolbox, ledger=ledger)


def _assistant(
    settings: Settings, client: AsyncOpenAI, toolbox: Toolbox, database: Database
) -> Assistant:
    if settings.assistant_api == "assistants":
        if settings.assistant_id is None:
            raise SettingsError(["ASSISTANT_ID is missing for ASSISTANT_API"])
        return AssistantsAssistant(
            client,
            assistant_id=settings.assistant_id,
            instructions=INSTRUCTIONS,
            tools=toolbox.tools,
            threads=RemoteThreads(database, api="assistants"),
        )
    if settings.assistant_state == "conversation":
        return ConversationAssistant(
            client,
            model=settings.openai_model,
            instructions=INSTRUCTIONS,
            tools=toolbox.tools,
            conversations=RemoteThreads(database, api="conversation"),
            histories=HistoryWindow(database),
        )
    return ResponsesAssistant(
        client,
        model=settings.openai_model,
        instructions=INSTRUCTIONS,
        tools=toolbox.tools,
        histories=HistoryWindow(database),
    )


def _bill(settings: Settings) -> Bill | None:
    if not settings.show_usage:
        return None
    # The model of an assistant is its server's to know.
    is_ours = settings.assistant_api == "responses"
    price = price_of(settings.openai_model) if is_ours else None
    return lambda usage: bill(usage, price)
