"""The one quiet line under an answer: how the run stands, or how it ended."""

from app.domain import Ending, Run, RunStatus

SUSPENDED = "requires action · please decide below"

_MINUTE = 60
_HOUR = 3600
_INCOMPLETE = {
    "max_output_tokens": "cut at the length limit",
    "content_filter": "cut by the content filter",
    "tool_rounds": "stopped after too many steps",
}


def with_more_people(line: str) -> str:
    """The line where a second person has just joined a talk with one."""
    return f"{line} · more people here: mention me to go on"


def running_line(run: Run | None, step: str | None, waiting: int) -> str:
    """How the run stands; `step` is what is being done, `waiting` counts messages."""
    is_retried = run is not None and run.retry_in is not None
    steps = [step] if step and not is_retried else []
    return " · ".join([_status(run), *steps, *beside(run, waiting)])


def beside(run: Run | None, waiting: int) -> list[str]:
    """What is to be known beside the work itself: a busy model, who waits."""
    parts = []
    if run and run.retry_in:
        retry = run.retry_in
        again = f"trying again ({retry.attempt} of {retry.attempts})"
        parts.append(f"model busy, {again}")
    if waiting:
        parts.append(f"{waiting} message{'' if waiting == 1 else 's'} waiting")
    return parts


def final_line(ending: Ending) -> str:
    """How the turn ended, and for a failure whether it has changed anything."""
    parts: list[str] = [ending.status.value.replace("_", " ")]
    match ending.status:
        case RunStatus.COMPLETED:
            parts.append(duration(ending.seconds))
        case RunStatus.FAILED:
            parts[0] = "⚠️ failed"
            parts.append(" ".join([_why(ending), _changes(ending)]))
            if ending.error_id:
                parts.append(f"id {ending.error_id}")
        case RunStatus.INCOMPLETE:
            reason = ending.incomplete_reason or "cut before its end"
            parts.append(_INCOMPLETE.get(reason, reason.replace("_", " ")))
        case RunStatus.EXPIRED:
            parts.append(_over(ending))
            if ending.changed_something:
                parts.append(_changes(ending))
        case RunStatus.CANCELLED:
            parts.append(_end_of_it(ending))
        case _:
            pass
    if ending.bill:
        parts.append(ending.bill)
    return " · ".join(parts)


def _status(run: Run | None) -> str:
    if run is None:
        return "queued"
    # A busy model and running tools are both parts of a run under way.
    if run.retry_in or run.status is RunStatus.REQUIRES_ACTION:
        return "in progress"
    return run.status.value.replace("_", " ")


def _end_of_it(ending: Ending) -> str:
    if ending.question_deleted:
        return "question deleted"
    if ending.reply_deleted:
        return "answer deleted"
    by = f" by {ending.stopped_by}" if ending.stopped_by else ""
    return f"stopped{by} after {duration(ending.seconds)}"


def _over(ending: Ending) -> str:
    if ending.incomplete_reason == "undecided":
        return "nobody has decided within a day"
    return f"took longer than {_rounded_down(ending.seconds)}"


def _why(ending: Ending) -> str:
    sentence = ending.error.message.strip() if ending.error else "Something went wrong."
    return sentence if sentence.endswith((".", "!", "?")) else sentence + "."


def _changes(ending: Ending) -> str:
    if ending.changed_something:
        return "Something was changed."
    return "Nothing was changed."


def duration(seconds: float) -> str:
    """Say how long something took."""
    whole = max(1, round(seconds))
    if whole < _MINUTE:
        return f"{whole} s"
    if whole < _HOUR:
        return _in_two(whole, _MINUTE, "min", "s")
    return _in_two(whole // _MINUTE, _MINUTE, "h", "min")


def _in_two(whole: int, size: int, large: str, small: str) -> str:
    many, rest = divmod(whole, size)
    return f"{many} {large} {rest} {small}" if rest else f"{many} {large}"


def _rounded_down(seconds: float) -> str:
    whole = max(1, int(seconds))
    for size, unit in ((_HOUR, "h"), (_MINUTE, "min")):
        if whole >= size:
            return f"{whole // size} {unit}"
    return f"{whole} s"
