"""The worker, and all that a message passes on its way to an answer in Slack."""

import os
import secrets
from collections.abc import Sequence
from contextlib import AsyncExitStack
from dataclasses import dataclass

from slack_sdk.web.async_client import AsyncWebClient

from app.bootstrap.assisting import bill_of, runner_of
from app.connections import model_client_of, past_a_pooler
from app.domain import Turn
from app.settings import Settings
from app.slack.access import Access
from app.slack.bot import Introduction
from app.slack.catch_up import CatchUp
from app.slack.clicks import Clicks
from app.slack.context import ThreadContext
from app.slack.intake import Intake
from app.slack.late_lines import LateLines
from app.slack.outbound import Outbound
from app.slack.people import People
from app.slack.replies.kept import KeptBudgets
from app.slack.replies.lending import LentBudgets
from app.slack.replies.replies import Replies
from app.slack.replies.workspaces import BucketOf
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
from app.storage.rate_budgets import RateBudgets
from app.storage.reply_parts import ReplyParts
from app.storage.resumptions import Resumptions
from app.storage.rooms import Rooms
from app.storage.turns import TurnStore
from app.storage.wakeup import Hint, Joined, Wakeup
from app.tools.found import own_tools
from app.tools.home import home_tools
from app.tools.tool import Tool
from app.tools.toolbox import are_trusted
from app.turns.answer import Answerer, OpenReply
from app.turns.prepare import Preparation
from app.turns.reply import Reply
from app.turns.side_tasks import SideTasks
from app.turns.worker import Worker

# Seconds that a database which may be away gets to say goodbye.
_GOODBYE = 2.0


@dataclass(frozen=True, slots=True, kw_only=True)
class Workspace:
    """The workspace: how to reach it, who we are there, whether it lets us in."""

    client: AsyncWebClient
    introduction: Introduction
    access: Access


@dataclass(frozen=True, slots=True, kw_only=True)
class Answering:
    """What gives answers; the rest of a bot brings them their messages and clicks."""

    worker: Worker
    intake: Intake
    answerer: Answerer
    clicks: Clicks


async def start_answering(
    settings: Settings, database: Database, workspace: Workspace, stack: AsyncExitStack
) -> Answering:
    """Start the worker and what feeds it; on leaving they end in the reverse order."""
    client, access = workspace.client, workspace.access
    store, people = TurnStore(database), People(client)
    outbound = Outbound(client, on_access_lost=access.lost)
    stack.push_async_callback(people.close)
    policy, model = _policy(settings), await model_client_of(settings, stack)
    tools = (*home_tools(Rooms(database)), *own_tools())
    # Whoever reads the table of workers can tell which process is meant.
    process = f"{os.getpid()}-{secrets.token_hex(6)}"
    budgets = _budgets(database, process, stack)
    replies = _replies(
        settings, database, outbound, people, bucket_of=budgets, tools=tools
    )
    stack.push_async_callback(replies.close)
    worker = _worker(process, database, store, replies, access)
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
        preparation=_preparation(settings, store, workspace, people, intake),
        runner=runner_of(settings, database, model, tools, worker.holds),
        store=store,
        data_messages=DataMessages(database),
        doubts=Doubts(database),
        bill=bill_of(settings),
    )
    await worker.start(answerer)
    tasks = _side_tasks(settings, database, worker, replies, late_lines)
    stack.push_async_callback(tasks.cancel, _GOODBYE)
    tasks.repeat(access.regain)
    tasks.repeat(_catch_up(database, workspace, intake, worker).look)
    clicks = _clicks(settings, database, intake, worker, late_lines)
    return Answering(worker=worker, intake=intake, answerer=answerer, clicks=clicks)


def _clicks(
    settings: Settings,
    database: Database,
    intake: Intake,
    worker: Worker,
    late_lines: LateLines,
) -> Clicks:
    return Clicks(
        intake,
        Resumptions(database, settings.turns_per_person_per_hour),
        Doubts(database),
        late_notes=LateNotes(database),
        turn_ready=worker.message_added,
        late_changed=late_lines.hurry,
    )


def _preparation(
    settings: Settings,
    store: TurnStore,
    workspace: Workspace,
    people: People,
    intake: Intake,
) -> Preparation:
    bot = workspace.introduction.bot
    return Preparation(
        store=store,
        gather=ThreadContext(workspace.client, bot, people).gather,
        tell_refusal=intake.tell_refusal,
        policy=_policy(settings),
        turns_per_hour=settings.turns_per_person_per_hour,
    )


def _catch_up(
    database: Database, workspace: Workspace, intake: Intake, worker: Worker
) -> CatchUp:
    return CatchUp(
        client=workspace.client,
        bot=workspace.introduction.bot,
        absences=Absences(database),
        take_in=intake.message,
        worker_id=worker.worker_id,
        is_alive=lambda: worker.is_alive and workspace.access.is_granted,
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


def _budgets(database: Database, process: str, stack: AsyncExitStack) -> BucketOf:
    kept = RateBudgets(database)
    budgets = LentBudgets(kept, process) if kept.are_lent else KeptBudgets(kept)
    stack.push_async_callback(budgets.close)
    return budgets.bucket_of


def _worker(
    process: str, database: Database, store: TurnStore, replies: Replies, access: Access
) -> Worker:
    return Worker(
        process,
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
    bucket_of: BucketOf,
    tools: Sequence[Tool],
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
        native_streams=settings.native_streams,
        allowed_link_hosts=settings.allowed_link_hosts,
        trusts_tools=are_trusted(tools),
        bucket_of=bucket_of,
    )
