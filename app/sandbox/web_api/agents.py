"""assistant.* and agents.*: what the app says it is doing."""

from app.sandbox.records import Json
from app.sandbox.refusal import Refused
from app.sandbox.web_api.calls import ApiCall, Method

_LOADING_MESSAGES = 10
_PROMPTS = 4
SESSION_STATES = ("active", "processing", "suspended", "closed")
# Slack: since 2026-03-05 either scope is enough.
_STATUS = ("chat:write", "assistant:write")


def _set_status(call: ApiCall) -> Json:
    channel_id, thread_ts = _thread(call)
    status = call.arguments.text("status")
    if status is None:
        raise Refused("invalid_arguments", ["missing required field: status"])
    loading = call.arguments.items("loading_messages") or []
    if len(loading) > _LOADING_MESSAGES:
        raise Refused("invalid_arguments", ["no more than 10 loading_messages"])
    call.core.note_live(call.method, channel_id, status, loading)
    call.core.set_status(channel_id, thread_ts, status, [str(one) for one in loading])
    return {}


def _set_title(call: ApiCall) -> Json:
    _thread(call)
    call.arguments.needed("title")
    return {}


def _set_prompts(call: ApiCall) -> Json:
    call.own_channel("channel_id")
    prompts = call.arguments.items("prompts") or []
    if not 0 < len(prompts) <= _PROMPTS:
        raise Refused("invalid_arguments", [f"must have 1 to {_PROMPTS} prompts"])
    for prompt in prompts:
        match prompt:
            case {"title": str(), "message": str()}:
                continue
            case _:
                raise Refused("invalid_arguments", ["a prompt has title and message"])
    return {}


def _session_status(call: ApiCall) -> Json:
    channel_id, thread_ts = _thread(call)
    status = call.arguments.needed("status")
    if status not in SESSION_STATES:
        raise Refused("invalid_arguments", ["must be one of the session statuses"])
    call.core.statuses.sessions[channel_id, thread_ts] = status
    if "agent_session_stopped" not in call.core.subscriptions:
        return {"warning": "missing_agent_session_stopped_event_subscription"}
    return {}


def _thread(call: ApiCall) -> tuple[str, str]:
    channel = call.own_channel("channel_id")
    call.arguments.needed("thread_ts")
    thread_ts = call.thread_ts() or ""
    # A thread may begin with the very message that is being answered, so any message
    # of the channel will do; a place where nothing ever stood will not.
    if call.workspace.message(channel.channel_id, thread_ts) is None:
        raise Refused("invalid_thread_ts")
    return channel.channel_id, thread_ts


METHODS = {
    "agents.sessions.setStatus": Method(handle=_session_status, scopes=("chat:write",)),
    "assistant.threads.setStatus": Method(handle=_set_status, scopes=_STATUS),
    "assistant.threads.setSuggestedPrompts": Method(
        handle=_set_prompts, scopes=("assistant:write",)
    ),
    "assistant.threads.setTitle": Method(
        handle=_set_title, scopes=("assistant:write",)
    ),
}
