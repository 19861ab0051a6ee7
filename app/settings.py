"""The settings, from the environment and `.env`; what is wrong is told all at once."""

import os
import re
from collections.abc import Iterator, Mapping
from enum import StrEnum
from pathlib import Path
from typing import Annotated, Literal
from urllib.parse import urlsplit

from pydantic import BaseModel, BeforeValidator, ConfigDict, SecretStr, ValidationError
from pydantic_settings import BaseSettings, DotEnvSettingsSource

from app.errors import SettingsError

_ENV_FILE = Path(".env")
_SHORTEST_SECRET = 16
# Spaces, quotes and whatever is not plain ASCII: an HTTP header would break on them.
_NOT_IN_A_TOKEN = re.compile(r"[^!#-&(-_a-~]")


class Delivery(StrEnum):
    """How Slack's events reach us."""

    SOCKET = "socket"
    HTTP = "http"
    BOTH = "both"


def _token(*refused: str, hint: str) -> BeforeValidator:
    """Take any token string but one that begins like another kind of token."""

    def check(value: str) -> str:
        if _NOT_IN_A_TOKEN.search(value):
            raise ValueError(
                "holds a space, a quote or a letter that no token has; copy it again"
            )
        for prefix in refused:
            if value.startswith(prefix):
                raise ValueError(f"holds another kind of token ({prefix}…); {hint}")
        return value

    return BeforeValidator(check)


def _long_enough(value: str) -> str:
    if len(value) < _SHORTEST_SECRET:
        raise ValueError("is easily guessed; `openssl rand -hex 32` makes a better one")
    return value


def _whole_number(least: int, most: int, says: str) -> BeforeValidator:
    def check(value: str) -> int:
        if not re.fullmatch(r"-?[0-9]{1,9}", value) or not least <= int(value) <= most:
            raise ValueError(says)
        return int(value)

    return BeforeValidator(check)


def _list_of(entry: str, says: str) -> BeforeValidator:
    """Take entries separated by commas or spaces, each as the pattern `entry` says."""

    def check(value: str) -> frozenset[str]:
        entries = frozenset(filter(None, re.split(r"[\s,]+", value)))
        if not entries or not all(re.fullmatch(entry, one) for one in entries):
            raise ValueError(says)
        return entries

    return BeforeValidator(check)


def _switch(value: str) -> bool:
    match value.lower():
        case "true" | "yes" | "on" | "1":
            return True
        case "false" | "no" | "off" | "0":
            return False
    raise ValueError("must be true or false")


def _first_paint(value: str) -> str:
    if value.lower() not in {"snappy", "steady"}:
        raise ValueError("must be snappy or steady")
    return value.lower()


def _assistant_api(value: str) -> str:
    if value.lower() not in {"responses", "assistants"}:
        raise ValueError("must be responses or assistants")
    return value.lower()


def _assistant_state(value: str) -> str:
    if value.lower() not in {"local", "conversation"}:
        raise ValueError("must be local or conversation")
    return value.lower()


def _assistant_id(value: str) -> str:
    if not re.fullmatch(r"[!-~]{1,200}", value):
        raise ValueError("must be an assistant's id as its server has it (asst_…)")
    return value


def _host(value: str) -> str:
    if not re.fullmatch(r"[A-Za-z0-9.-]+|[0-9A-Fa-f.]*:[0-9A-Fa-f.]*:.*", value):
        raise ValueError("must be an address such as 127.0.0.1, and nothing else")
    return value


def _is_address(value: str, *schemes: str) -> bool:
    try:
        parts = urlsplit(value)
        # A port that is not a number shows only when it is asked for.
        is_whole = parts.port != 0 and not re.search(r"\s", value)
    except ValueError:
        return False
    return is_whole and parts.scheme in schemes


def _web_address(value: str) -> str:
    parts = urlsplit(value) if _is_address(value, "http", "https") else None
    if (
        parts is None
        or not parts.hostname
        or (parts.username, parts.password) != (None, None)
        or re.search(r"[?#]", value)
    ):
        raise ValueError(
            "must begin with https:// or http://, without a password, ? or #"
        )
    return value


def _slack_api(value: str) -> str:
    address = _web_address(value).rstrip("/") + "/"
    if not address.endswith("/api/"):
        raise ValueError("must end in /api/, as https://slack.com/api/ does")
    return address


def _database(value: str) -> str:
    path = value.removeprefix("sqlite:///") if value.startswith("sqlite:///") else ""
    # A database in memory would lose messages that Slack was told are safe.
    is_file = bool(path) and not path.startswith(":memory:") and "?" not in path
    if not is_file and not _is_address(value, "postgresql"):
        raise ValueError(
            "must be sqlite:///path/to/file.db or postgresql://user:password@host/name"
        )
    return value


def _postgres(value: str) -> str:
    if not _is_address(value, "postgresql"):
        raise ValueError("must be postgresql://user:password@host/name")
    return value


BotToken = Annotated[
    SecretStr, _token("xapp-", "xoxp-", hint="the bot's own begins with xoxb-")
]
AppToken = Annotated[
    SecretStr, _token("xox", hint="the app-level one begins with xapp-")
]
SigningSecret = Annotated[
    SecretStr, _token("xox", "xapp-", hint="the secret is under Basic Information")
]
ModelKey = Annotated[
    SecretStr, _token("xox", "xapp-", hint="the model's key is wanted here")
]
WebToken = Annotated[
    SecretStr,
    _token("xox", "xapp-", "sk-", hint="make up one of its own"),
    # Runs before the check above: pydantic begins with the last.
    BeforeValidator(_long_enough),
]
SlackApiUrl = Annotated[str, BeforeValidator(_slack_api)]
WebAddress = Annotated[str, BeforeValidator(_web_address)]
# A secret, because it may hold a password.
DatabaseUrl = Annotated[SecretStr, BeforeValidator(_database)]
PostgresUrl = Annotated[SecretStr, BeforeValidator(_postgres)]
Switch = Annotated[bool, BeforeValidator(_switch)]
Host = Annotated[str, BeforeValidator(_host)]
Port = Annotated[int, _whole_number(1, 65535, "must be a whole number, 1 to 65535")]
Count = Annotated[
    int, _whole_number(0, 999_999_999, "must be a whole number; 0 is no limit")
]
Seconds = Annotated[
    int, _whole_number(0, 86_400, "must be a whole number of seconds; 0 is never")
]
FirstPaint = Annotated[Literal["snappy", "steady"], BeforeValidator(_first_paint)]
AssistantApi = Annotated[
    Literal["responses", "assistants"], BeforeValidator(_assistant_api)
]
AssistantState = Annotated[
    Literal["local", "conversation"], BeforeValidator(_assistant_state)
]
AssistantId = Annotated[str, BeforeValidator(_assistant_id)]
ChannelIds = Annotated[
    frozenset[str],
    _list_of("[CG][A-Z0-9]+", "must be channel ids (C…), separated by commas"),
]
BotIds = Annotated[
    frozenset[str],
    _list_of("[BUW][A-Z0-9]+", "must be bots' ids (B…), separated by commas"),
]
HostNames = Annotated[
    frozenset[str],
    _list_of("[a-z0-9-]+([.][a-z0-9-]+)*", "must be hosts such as wiki.example.com"),
    # Runs before the check above: pydantic begins with the last.
    BeforeValidator(str.lower),
]


class Settings(BaseModel):
    """What the operator has decided, checked; each value is given as text.

    Each field is the variable of the same name in capitals. No secret is in its repr,
    and nothing is read from the process's own environment: `read_settings` does that.
    """

    model_config = ConfigDict(frozen=True, extra="forbid", hide_input_in_errors=True)

    slack_bot_token: BotToken
    slack_app_token: AppToken | None = None
    slack_signing_secret: SigningSecret | None = None
    slack_api_url: SlackApiUrl = "https://slack.com/api/"
    openai_api_key: ModelKey | None = None
    openai_base_url: WebAddress | None = None
    openai_model: str = "gpt-6-luna"
    assistant_api: AssistantApi = "responses"
    assistant_id: AssistantId | None = None
    assistant_state: AssistantState = "local"
    database_url: DatabaseUrl = SecretStr("sqlite:///threadline.db")
    listen_database_url: PostgresUrl | None = None
    auto_migrate: Switch = True
    host: Host = "127.0.0.1"
    port: Port = 3000
    web_api_token: WebToken | None = None
    first_paint: FirstPaint = "snappy"
    native_streams: Switch = False
    notify_after: Seconds = 120
    allowed_channels: ChannelIds | None = None
    allow_guests: Switch = False
    allow_external: Switch = False
    allowed_bots: BotIds = frozenset()
    allowed_link_hosts: HostNames = frozenset()
    turns_per_person_per_hour: Count = 30
    show_usage: Switch = False

    @property
    def delivery(self) -> Delivery:
        """How events reach us: as the given secrets allow."""
        if self.slack_signing_secret is None:
            return Delivery.SOCKET
        return Delivery.HTTP if self.slack_app_token is None else Delivery.BOTH


def read_settings(
    environ: Mapping[str, str] | None = None, env_file: Path | None = _ENV_FILE
) -> Settings:
    """Return the settings; `environ` (the process's own by default) wins over the file.

    An empty value counts as not set. Raises SettingsError with one line per fault, in
    the order of the fields; no line repeats a value.
    """
    given = _given(environ, env_file)
    faults = dict(_missing(given)) | _contradictions(given)
    try:
        settings = Settings.model_validate(given)
    except ValidationError as error:
        for fault in error.errors(include_input=False):
            if "error" in fault.get("ctx", {}):
                faults[str(fault["loc"][0])] = str(fault["ctx"]["error"])
    if faults:
        told = [name for name in Settings.model_fields if name in faults]
        # Without the cause, which could quote what was given.
        raise SettingsError([f"{name.upper()} {faults[name]}" for name in told])
    return settings


def read_database_url(
    environ: Mapping[str, str] | None = None, env_file: Path | None = _ENV_FILE
) -> str:
    """Return where the schema is changed, for what needs nothing else.

    Past a pooler, if LISTEN_DATABASE_URL leads past one. Raises SettingsError.
    """
    given = _given(environ, env_file)
    for name, check in (
        ("listen_database_url", _postgres),
        ("database_url", _database),
    ):
        try:
            if name in given:
                return check(given[name])
        except ValueError as error:
            raise SettingsError([f"{name.upper()} {error}"]) from None
    default: SecretStr = Settings.model_fields["database_url"].default
    return default.get_secret_value()


def has_slack_settings(
    environ: Mapping[str, str] | None = None, env_file: Path | None = _ENV_FILE
) -> bool:
    """Tell whether somebody has begun to connect a real workspace."""
    return (
        not _given(environ, env_file)
        .keys()
        .isdisjoint({"slack_bot_token", "slack_app_token", "slack_signing_secret"})
    )


def model_for_sandbox(
    environ: Mapping[str, str] | None = None, env_file: Path | None = _ENV_FILE
) -> Mapping[str, str]:
    """Return the model settings that the sandbox is to use, by field.

    Its own model needs none but the protocol, if another is wanted. A key that lies
    around is not enough: only SANDBOX_MODEL=openai asks for another model.
    Raises SettingsError.
    """
    surroundings = os.environ if environ is None else environ
    given = _given(environ, env_file)
    match surroundings.get("SANDBOX_MODEL", "").strip().lower():
        case "" | "offline":
            return _chosen(given, "assistant_api", "assistant_state")
        case "openai":
            chosen = _chosen(given, "openai_", "assistant_")
            if chosen.keys().isdisjoint({"openai_api_key", "openai_base_url"}):
                raise SettingsError(["OPENAI_API_KEY is missing for SANDBOX_MODEL"])
            return chosen
    raise SettingsError(["SANDBOX_MODEL must be offline or openai"])


def _chosen(given: Mapping[str, str], *prefixes: str) -> dict[str, str]:
    for name, check, usual in (
        ("assistant_api", _assistant_api, "responses"),
        ("assistant_state", _assistant_state, "local"),
    ):
        try:
            check(given.get(name, usual))
        except ValueError as error:
            raise SettingsError([f"{name.upper()} {error}"]) from None
    if says := _contradictions(given).get("assistant_state"):
        raise SettingsError([f"ASSISTANT_STATE {says}"])
    return {name: value for name, value in given.items() if name.startswith(prefixes)}


def _given(environ: Mapping[str, str] | None, env_file: Path | None) -> dict[str, str]:
    """Collect what is set, by field, without spaces around it and without blanks."""
    from_file = _read_file(env_file) if env_file else {}
    surroundings = os.environ if environ is None else environ
    given = {}
    for field in Settings.model_fields:
        own = surroundings.get(field.upper(), "").strip()
        if value := own or (from_file.get(field) or "").strip():
            given[field] = value
    return given


def _read_file(env_file: Path) -> Mapping[str, str | None]:
    try:
        return DotEnvSettingsSource(
            BaseSettings, env_file=env_file, env_file_encoding="utf-8"
        ).env_vars
    except (OSError, UnicodeDecodeError):
        raise SettingsError([f"{env_file} cannot be read as UTF-8 text"]) from None


def _contradictions(given: Mapping[str, str]) -> dict[str, str]:
    faults = {}
    is_file = given.get("database_url", "sqlite:").startswith("sqlite:")
    if is_file and "listen_database_url" in given:
        faults["listen_database_url"] = "is for a Postgres in DATABASE_URL"
    is_kept_there = given.get("assistant_api", "").lower() == "assistants"
    if is_kept_there and given.get("assistant_state", "").lower() == "conversation":
        says = "is for ASSISTANT_API=responses; assistants keep their own threads"
        faults["assistant_state"] = says
    return faults


def _missing(given: Mapping[str, str]) -> Iterator[tuple[str, str]]:
    if "slack_bot_token" not in given:
        yield "slack_bot_token", "is missing; copy it from OAuth & Permissions (xoxb-…)"
    if given.keys().isdisjoint({"slack_app_token", "slack_signing_secret"}):
        yield (
            "slack_app_token",
            "or SLACK_SIGNING_SECRET is missing: one for Socket Mode, one for HTTP",
        )
    if given.keys().isdisjoint({"openai_api_key", "openai_base_url"}):
        yield (
            "openai_api_key",
            "is missing; set it, or OPENAI_BASE_URL for a server that needs none",
        )
    asks_for_one = given.get("assistant_api", "").lower() == "assistants"
    if asks_for_one and "assistant_id" not in given:
        yield "assistant_id", "is missing for ASSISTANT_API=assistants (asst_…)"
