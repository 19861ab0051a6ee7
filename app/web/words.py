"""What a reader is told when an answer does not end as it should."""

from app.domain import Ending, RunStatus

RESTART = "restart"
RESTARTED = "The server is being restarted. Please send your message again in a moment."
BROKEN_OFF = (
    "The answer broke off on our side. Please send your message again in a moment."
)
CORRECTED = (
    "The model began anew with other words, and what is shown here can't be taken "
    "back. Please ask again."
)
_INCOMPLETE = {
    "max_output_tokens": "The answer was cut at the length limit. Ask me to go on.",
    "content_filter": "The answer was cut by the content filter.",
    "tool_rounds": "I stopped after too many steps. Ask me to go on.",
}
_CUT = "The answer was cut before its end. Ask me to go on."


def apology(ending: Ending) -> str | None:
    """Return what to say of an answer that ended so; None where nothing is amiss."""
    match ending.status:
        case RunStatus.COMPLETED:
            return None
        case RunStatus.FAILED:
            return _joined(_why(ending), _changes(ending), _id(ending))
        case RunStatus.EXPIRED:
            late = "The answer took too long and was given up. Please ask again."
            return _joined(late, _changes(ending), _id(ending))
        case RunStatus.INCOMPLETE:
            return _INCOMPLETE.get(ending.incomplete_reason or "", _CUT)
        case _:
            is_restart = ending.stopped_by == RESTART
            return RESTARTED if is_restart else "The answer was stopped."


def _why(ending: Ending) -> str:
    said = ending.error.message.strip() if ending.error else "Something went wrong."
    return said if said.endswith((".", "!", "?")) else f"{said}."


def _changes(ending: Ending) -> str:
    if ending.changed_something:
        return "Something was changed."
    return "Nothing was changed."


def _id(ending: Ending) -> str:
    return f"(id {ending.error_id})" if ending.error_id else ""


def _joined(*sentences: str) -> str:
    return " ".join(filter(None, sentences))
