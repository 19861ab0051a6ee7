"""What can go wrong, and who must act.

ThreadlineError
├── SettingsError                 the operator: a setting is missing or wrong
├── FaultyTools                   the operator: a tool can't be offered as written
├── StorageError
│   ├── LeaseLost                 nobody: another process goes on with the turn
│   ├── DatabaseUnavailable       the operator: the database does not answer
│   └── SchemaUnfit               the operator: the schema is of another version
├── SlackError                    `code` is Slack's own word
│   ├── RateLimited               nobody: wait `retry_after` seconds
│   ├── MessageGone               nobody: somebody removed the message
│   ├── EditRefused               nobody: it stays as it is, a new message can be posted
│   ├── PlaceClosed               the workspace: archived, left, or not allowed
│   ├── CredentialsRefused        the operator: the token was refused or revoked
│   │   └── AccessLost            the operator: nobody is answered until it is taken
│   ├── PayloadRefused            us: Slack does not take what we sent
│   ├── PostUnconfirmed           the people there: was it posted? Slack won't tell
│   └── SlackUnavailable          nobody: Slack answered nothing usable, fate unknown
├── UnsafePayload                 us: the outbound gate refused to send it
├── AssistantError                `code` is for the log, `message` for people
│   ├── AssistantUnavailable      nobody: the model is busy or away, try again
│   ├── AssistantRefused          the operator: key, model or request refused
│   │   └── BudgetUsedUp          the operator: nothing is answered until then
│   └── StreamEndedEarly          nobody: the stream stopped without a terminal event
└── ToolError                     the model: its output says so; people never see it
"""

# What it says of an answer that nobody knows to be there; our word, not Slack's.
UNCONFIRMED = "post_unconfirmed"


class ThreadlineError(Exception):
    """Base of everything that this program raises itself."""


class SettingsError(ThreadlineError):
    """Settings are missing or contradict each other; `faults` names each in a line."""

    def __init__(self, faults: list[str]) -> None:
        super().__init__("\n".join(faults))
        self.faults = faults


class FaultyTools(ThreadlineError):
    """Tools can't be offered to the model; `faults` says of each what to mend."""

    def __init__(self, faults: list[str]) -> None:
        super().__init__("\n".join(faults))
        self.faults = faults


class StorageError(ThreadlineError):
    """The database could not do what was asked."""


class LeaseLost(StorageError):
    """A write was refused because the turn has another owner or epoch by now."""


class DatabaseUnavailable(StorageError):
    """The database does not answer."""


class SchemaUnfit(StorageError):
    """The schema is not the one that this version knows; its words say what to do."""


class SlackError(ThreadlineError):
    """Slack refused a call; `code` is its own word for why."""

    def __init__(self, code: str, method: str = "") -> None:
        super().__init__(f"{method}: {code}" if method else code)
        self.code = code
        self.method = method


class RateLimited(SlackError):
    """Slack asks for a pause of `retry_after` seconds for this team and method."""

    def __init__(self, method: str, retry_after: float) -> None:
        super().__init__("ratelimited", method)
        self.retry_after = retry_after


class MessageGone(SlackError):
    """The message to be changed does not exist any more."""


class EditRefused(SlackError):
    """The message can be changed no more, as the workspace has set it."""


class StreamRefused(SlackError):
    """The message is being streamed, or is not any more, or can't be."""


class PlaceClosed(SlackError):
    """The channel is archived, was left, or takes nothing from us."""


class CredentialsRefused(SlackError):
    """The token was refused, revoked, or lacks a scope."""


class AccessLost(CredentialsRefused):
    """Slack knows the token no more: revoked, expired, or the app is not installed."""


class PayloadRefused(SlackError):
    """Slack does not take this text, these blocks or these attachments."""


class PostUnconfirmed(SlackError):
    """Whether Slack has a post is not known, and won't be: it is not made again."""

    def __init__(self) -> None:
        super().__init__(UNCONFIRMED, "chat.postMessage")


class SlackUnavailable(SlackError):
    """Slack answered nothing usable; whether it has acted is not known."""


class UnsafePayload(ThreadlineError):
    """The outbound gate refused a payload: it could notify, fetch, or is too large."""


class AssistantError(ThreadlineError):
    """The model did not answer; `code` is for the log, `message` for people.

    `request_id` is the server's name for the request, once it has given one.
    """

    def __init__(self, code: str, message: str) -> None:
        super().__init__(code)
        self.code = code
        self.message = message
        self.request_id: str | None = None


class AssistantUnavailable(AssistantError):
    """The model is busy or away; `retry_after` in seconds when it said so."""

    def __init__(
        self, code: str, message: str, retry_after: float | None = None
    ) -> None:
        super().__init__(code, message)
        self.retry_after = retry_after


class AssistantRefused(AssistantError):
    """The key, the model, the budget or the request was refused; a retry is no use."""


class BudgetUsedUp(AssistantRefused):
    """The server takes no request until somebody pays."""


class StreamEndedEarly(AssistantError):
    """The stream of a pass stopped without a terminal event."""


class ToolError(ThreadlineError):
    """A tool cannot do what was asked; the sentence is for the model."""
