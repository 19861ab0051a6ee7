"""Which assistant answers, and with which tools."""

from collections.abc import Callable, Sequence

from openai import AsyncOpenAI

from app.assistants.assistant import Assistant
from app.assistants.assistants_api import AssistantsAssistant
from app.assistants.conversation_api import ConversationAssistant
from app.assistants.instructions import INSTRUCTIONS
from app.assistants.prices import bill, price_of
from app.assistants.responses_api import ResponsesAssistant
from app.domain import Lease
from app.errors import SettingsError
from app.settings import Settings
from app.storage.database import Database
from app.storage.remote_threads import RemoteThreads
from app.storage.tool_calls import ToolLedger
from app.storage.window import HistoryWindow
from app.tools.tool import Tool
from app.tools.toolbox import Toolbox
from app.turns.answer import Bill
from app.turns.run_turn import TurnRunner


def runner_of(
    settings: Settings,
    database: Database,
    model: AsyncOpenAI,
    tools: Sequence[Tool],
    holds_lease: Callable[[Lease], bool],
) -> TurnRunner:
    """Return what runs turns with the assistant that the settings name."""
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


def bill_of(settings: Settings) -> Bill | None:
    """Return what says the cost of an answer, where people are to know it."""
    if not settings.show_usage:
        return None
    # The model of an assistant is its server's to know.
    is_ours = settings.assistant_api == "responses"
    price = price_of(settings.openai_model) if is_ours else None
    return lambda usage: bill(usage, price)
