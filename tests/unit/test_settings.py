"""Settings: what is taken, what is refused and in which words."""

import re
from pathlib import Path

import pytest
from pydantic import SecretStr

from app.errors import SettingsError
from app.settings import (
    Delivery,
    Settings,
    has_slack_settings,
    model_for_sandbox,
    read_database_url,
    read_settings,
)

ROOT = Path(__file__).parents[2]
GOOD = {
    "SLACK_BOT_TOKEN": "xoxb-1",
    "SLACK_APP_TOKEN": "xapp-1",
    "OPENAI_API_KEY": "sk-1",
}


def read(**environ: str) -> Settings:
    return read_settings(GOOD | environ, env_file=None)


def faults(environ: dict[str, str]) -> list[str]:
    with pytest.raises(SettingsError) as caught:
        read_settings(environ, env_file=None)
    return caught.value.faults


def test_three_secrets_are_enough() -> None:
    settings = read()

    assert settings.slack_bot_token.get_secret_value() == "xoxb-1"
    assert settings.database_url.get_secret_value() == "sqlite:///threadline.db"
    assert (settings.host, settings.port) == ("127.0.0.1", 3000)
    assert settings.openai_model == "gpt-6-luna"
    assert settings.allowed_channels is None
    assert settings.turns_per_person_per_hour == 30


@pytest.mark.parametrize(
    ("name", "value", "says"),
    [
        ("SLACK_BOT_TOKEN", "", "is missing"),
        ("WEB_API_TOKEN", "fifteen-letters", "is easily guessed"),
        ("SLACK_BOT_TOKEN", " \t", "is missing"),
        ("SLACK_BOT_TOKEN", "xapp-1", "begins with xoxb-"),
        ("SLACK_BOT_TOKEN", "xoxp-1", "begins with xoxb-"),
        ("SLACK_BOT_TOKEN", '"xoxb-1"', "copy it again"),
        ("SLACK_BOT_TOKEN", "xoxb-1 # mine", "copy it again"),
        ("SLACK_BOT_TOKEN", "xoxb-1\nx", "copy it again"),
        ("SLACK_BOT_TOKEN", "xoxb-…", "copy it again"),
        ("SLACK_APP_TOKEN", "", "or SLACK_SIGNING_SECRET is missing"),
        ("SLACK_APP_TOKEN", "xoxb-1", "begins with xapp-"),
        ("SLACK_SIGNING_SECRET", "xoxb-1", "Basic Information"),
        ("SLACK_SIGNING_SECRET", "xapp-1", "Basic Information"),
        ("SLACK_API_URL", "slack.com/api/", "must begin with https://"),
        ("SLACK_API_URL", "https://slack.com/", "must end in /api/"),
        ("SLACK_API_URL", "https://slack.com:port/api/", "must begin with https://"),
        ("OPENAI_API_KEY", "", "OPENAI_BASE_URL"),
        ("OPENAI_API_KEY", "xoxb-1", "another kind of token"),
        ("OPENAI_BASE_URL", "localhost:8080/v1", "must begin with https://"),
        ("OPENAI_BASE_URL", "https://ana:pw@host/v1", "without a password"),
        ("OPENAI_BASE_URL", "https://host/v1?version=2", "without a password, ?"),
        ("OPENAI_BASE_URL", "https://[host/v1", "must begin with https://"),
        ("ASSISTANT_API", "chat", "must be responses or assistants"),
        ("ASSISTANT_ID", "my assistant", "must be an assistant's id"),
        ("ASSISTANT_STATE", "cloud", "must be local or conversation"),
        ("DATABASE_URL", "threadline.db", "must be sqlite:///"),
        ("DATABASE_URL", "sqlite://", "must be sqlite:///"),
        ("DATABASE_URL", "sqlite:///", "must be sqlite:///"),
        ("DATABASE_URL", "sqlite:///:memory:", "must be sqlite:///"),
        ("DATABASE_URL", "sqlite:///file:x?mode=memory", "must be sqlite:///"),
        ("DATABASE_URL", "postgres://host/name", "or postgresql://"),
        ("DATABASE_URL", "postgresql+asyncpg://host/name", "or postgresql://"),
        ("DATABASE_URL", "postgresql://host:five/name", "or postgresql://"),
        ("LISTEN_DATABASE_URL", "sqlite:///t.db", "must be postgresql://"),
        ("LISTEN_DATABASE_URL", "postgresql://host/name", "is for a Postgres in"),
        ("AUTO_MIGRATE", "maybe", "must be true or false"),
        ("HOST", "http://127.0.0.1", "must be an address"),
        ("HOST", "127.0.0.1:3000", "must be an address"),
        ("PORT", "0", "1 to 65535"),
        ("PORT", "65536", "1 to 65535"),
        ("PORT", "3000.0", "1 to 65535"),
        ("PORT", "٣", "1 to 65535"),
        ("PORT", "9" * 5000, "1 to 65535"),
        ("FIRST_PAINT", "quick", "must be snappy or steady"),
        ("NOTIFY_AFTER", "2 min", "seconds; 0 is never"),
        ("ALLOWED_CHANNELS", "#general", "must be channel ids"),
        ("ALLOWED_CHANNELS", ",", "must be channel ids"),
        ("ALLOW_GUESTS", "2", "must be true or false"),
        ("ALLOW_EXTERNAL", "guests", "must be true or false"),
        ("ALLOWED_BOTS", "deploy-bot", "must be bots' ids"),
        ("ALLOWED_LINK_HOSTS", "https://wiki.example.com", "must be hosts"),
        ("ALLOWED_LINK_HOSTS", "wiki.example.com/docs", "must be hosts"),
        ("TURNS_PER_PERSON_PER_HOUR", "-1", "0 is no limit"),
        ("TURNS_PER_PERSON_PER_HOUR", "many", "0 is no limit"),
    ],
)
def test_a_wrong_value_is_named_with_what_to_do(
    name: str, value: str, says: str
) -> None:
    [line] = faults(GOOD | {name: value})

    assert line.startswith(name + " ")
    assert says in line
    assert "\n" not in line


def test_assistants_and_conversations_exclude_each_other() -> None:
    both = {"ASSISTANT_API": "Assistants", "ASSISTANT_STATE": "Conversation"}
    says = (
        "ASSISTANT_STATE is for ASSISTANT_API=responses; assistants keep their own "
        "threads"
    )

    assert faults(GOOD | both | {"ASSISTANT_ID": "asst_1"}) == [says]
    with pytest.raises(SettingsError, match="assistants keep their own threads"):
        model_for_sandbox(both, env_file=None)
    assert read(ASSISTANT_STATE="Conversation").assistant_state == "conversation"
    assert model_for_sandbox({"ASSISTANT_STATE": "conversation"}, env_file=None) == {
        "assistant_state": "conversation"
    }


def test_the_assistants_api_needs_the_id_of_an_assistant() -> None:
    chosen = {"ASSISTANT_API": "Assistants"}

    [line] = faults(GOOD | chosen)
    assert line.startswith("ASSISTANT_ID is missing")
    settings = read(**chosen, ASSISTANT_ID="asst_1")
    assert (settings.assistant_api, settings.assistant_id) == ("assistants", "asst_1")


def test_all_faults_are_told_together_in_the_order_of_the_table() -> None:
    lines = faults({"PORT": "x", "FIRST_PAINT": "y", "SLACK_BOT_TOKEN": "xapp-1"})

    assert [line.split()[0] for line in lines] == [
        "SLACK_BOT_TOKEN",
        "SLACK_APP_TOKEN",
        "OPENAI_API_KEY",
        "PORT",
        "FIRST_PAINT",
    ]


def test_swapped_tokens_are_two_faults() -> None:
    lines = faults(GOOD | {"SLACK_BOT_TOKEN": "xapp-1", "SLACK_APP_TOKEN": "xoxb-1"})

    assert [line.split()[0] for line in lines] == ["SLACK_BOT_TOKEN", "SLACK_APP_TOKEN"]


SECRETS = {
    "SLACK_BOT_TOKEN": "xoxb-canary1",
    "SLACK_APP_TOKEN": "xapp-canary2",
    "SLACK_SIGNING_SECRET": "canary3",
    "OPENAI_API_KEY": "sk-canary4",
    "DATABASE_URL": "postgresql://ana:canary5@host/name",
    "LISTEN_DATABASE_URL": "postgresql://ana:canary6@host/name",
}


def test_no_secret_is_in_the_repr() -> None:
    settings = read(**SECRETS)

    assert "canary" not in f"{settings!r} {settings} {settings.model_dump()}"


def test_no_fault_repeats_a_value() -> None:
    broken = {name: f"xox {value}" for name, value in SECRETS.items()}
    with pytest.raises(SettingsError) as caught:
        read_settings(broken | {"PORT": "canary6"}, env_file=None)

    assert len(caught.value.faults) == len(broken) + 1
    assert "canary" not in str(caught.value)
    # A traceback prints these as well.
    assert caught.value.__cause__ is None
    assert caught.value.__context__ is None


@pytest.mark.parametrize(
    ("app_token", "signing_secret", "delivery"),
    [
        ("xapp-1", "", Delivery.SOCKET),
        ("", "abc", Delivery.HTTP),
        ("xapp-1", "abc", Delivery.BOTH),
    ],
)
def test_events_come_the_way_the_secrets_allow(
    app_token: str, signing_secret: str, delivery: Delivery
) -> None:
    settings = read(SLACK_APP_TOKEN=app_token, SLACK_SIGNING_SECRET=signing_secret)

    assert settings.delivery is delivery


def test_a_server_of_ones_own_needs_no_key() -> None:
    settings = read(OPENAI_API_KEY="", OPENAI_BASE_URL="http://127.0.0.1:8000/v1")

    assert settings.openai_api_key is None
    assert settings.openai_base_url == "http://127.0.0.1:8000/v1"


@pytest.mark.parametrize("given", ["http://x/api", "http://x/api/", "http://x/api//"])
def test_the_api_address_ends_in_one_slash(given: str) -> None:
    assert read(SLACK_API_URL=given).slack_api_url == "http://x/api/"


@pytest.mark.parametrize(
    ("given", "meant"),
    [("TRUE", True), ("1", True), ("on", True), ("No", False), ("0", False)],
)
def test_a_switch_takes_the_usual_words(given: str, *, meant: bool) -> None:
    assert read(ALLOW_GUESTS=given).allow_guests is meant


def test_lists_are_separated_by_commas_or_spaces() -> None:
    settings = read(
        ALLOWED_CHANNELS="C1, G2 C3,",
        ALLOWED_BOTS="B1",
        ALLOWED_LINK_HOSTS="Wiki.Example.com,localhost",
    )

    assert settings.allowed_channels == frozenset({"C1", "G2", "C3"})
    assert settings.allowed_bots == {"B1"}
    assert settings.allowed_link_hosts == {"wiki.example.com", "localhost"}


def test_numbers_are_taken_up_to_their_bounds() -> None:
    settings = read(PORT="65535", TURNS_PER_PERSON_PER_HOUR="0")

    assert (settings.port, settings.turns_per_person_per_hour) == (65535, 0)


@pytest.mark.parametrize(
    "host", ["192.0.2.1", "localhost", "::", "::1", "fe80::1%eth0"]
)
def test_a_host_may_be_any_address(host: str) -> None:
    assert read(HOST=host).host == host


def test_the_environment_wins_over_the_file_unless_it_is_blank(tmp_path: Path) -> None:
    file = tmp_path / ".env"
    file.write_bytes(
        b"\xef\xbb\xbfSLACK_BOT_TOKEN='xoxb-file' # quoted\r\n"
        b"export SLACK_APP_TOKEN=xapp-file\r\nOPENAI_BASE_URL=' http://x/v1 '\nOTHER\n"
    )

    settings = read_settings(
        {"SLACK_BOT_TOKEN": " ", "SLACK_APP_TOKEN": " xapp-env "}, env_file=file
    )

    assert settings.slack_bot_token.get_secret_value() == "xoxb-file"
    assert settings.slack_app_token is not None
    assert settings.slack_app_token.get_secret_value() == "xapp-env"
    assert settings.openai_base_url == "http://x/v1"


def test_what_the_shell_has_set_stays_out_of_an_environment_that_was_given(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    undisturbed = read()
    for name in ("PORT", "OPENAI_MODEL", "ALLOWED_CHANNELS", "SLACK_SIGNING_SECRET"):
        monkeypatch.setenv(name, "C1")

    assert read() == undisturbed


def test_a_file_that_is_not_text_is_a_fault(tmp_path: Path) -> None:
    file = tmp_path / ".env"
    file.write_bytes(b"SLACK_BOT_TOKEN=\xff\xfe")

    with pytest.raises(SettingsError, match="cannot be read as UTF-8"):
        read_settings(GOOD, env_file=file)


def test_a_missing_file_is_no_fault(tmp_path: Path) -> None:
    assert read_settings(GOOD, env_file=tmp_path / ".env") == read()


def test_settings_do_not_change() -> None:
    with pytest.raises(ValueError, match="frozen"):
        read().port = 1


def test_one_slack_secret_shows_that_a_workspace_is_meant() -> None:
    assert has_slack_settings({"SLACK_SIGNING_SECRET": "abc"}, env_file=None)
    assert not has_slack_settings({"SLACK_BOT_TOKEN": " "}, env_file=None)
    assert not has_slack_settings({"OPENAI_API_KEY": "sk-1"}, env_file=None)


def _rows() -> dict[str, list[str]]:
    """Return the README's table of settings: its cells by the variable's name."""
    readme = (ROOT / "README.md").read_text(encoding="utf-8")
    section = re.search(r"^## Settings$(.*?)^## ", readme, re.MULTILINE | re.DOTALL)
    assert section, "README.md has no section called Settings"
    rows = re.findall(r"^\| `([A-Z_]+)` \|(.*)\|$", section[1], re.MULTILINE)
    return {name: [cell.strip() for cell in cells.split("|")] for name, cells in rows}


def test_the_readme_names_every_setting_and_no_other() -> None:
    assert sorted(_rows()) == sorted(name.upper() for name in Settings.model_fields)


def test_the_readme_tells_the_defaults_as_they_are() -> None:
    settings = read()
    for name, (_, default) in _rows().items():
        if told := re.fullmatch("`([^`]+)`", default):
            value = getattr(settings, name.lower())
            if isinstance(value, SecretStr):
                value = value.get_secret_value()
            assert told[1] in {str(value), str(value).lower()}, name


def test_the_example_file_names_every_setting_and_no_other() -> None:
    example = (ROOT / ".env.example").read_text(encoding="utf-8")
    named = re.findall(r"^#? ?([A-Z_]+)=", example, re.MULTILINE)

    assert sorted(named) == sorted(name.upper() for name in Settings.model_fields)


def test_a_key_that_lies_around_does_not_reach_the_sandbox():
    assert model_for_sandbox({"OPENAI_API_KEY": "sk-1"}, env_file=None) == {}


def test_the_sandbox_uses_a_real_model_when_it_is_asked_to():
    environ = {"SANDBOX_MODEL": "openai", "OPENAI_API_KEY": "sk-1", "HOST": "::1"}

    assert model_for_sandbox(environ, env_file=None) == {"openai_api_key": "sk-1"}


def test_the_sandbox_takes_the_protocol_alone_from_the_surroundings():
    environ = {"ASSISTANT_API": "assistants", "ASSISTANT_ID": "asst_real"}

    chosen = model_for_sandbox(environ, env_file=None)
    assert chosen == {"assistant_api": "assistants"}
    with pytest.raises(SettingsError, match="ASSISTANT_API must be"):
        model_for_sandbox({"ASSISTANT_API": "chat"}, env_file=None)


@pytest.mark.parametrize("asked", [{"SANDBOX_MODEL": "openai"}, {"SANDBOX_MODEL": "x"}])
def test_a_sandbox_model_that_cannot_be_had_is_told(asked: dict[str, str]):
    with pytest.raises(SettingsError, match="SANDBOX_MODEL"):
        model_for_sandbox(asked, env_file=None)


def test_the_database_is_known_without_any_token():
    environ = {"DATABASE_URL": "postgresql://host/name"}

    assert read_database_url(environ, env_file=None) == "postgresql://host/name"
    assert read_database_url({}, env_file=None) == "sqlite:///threadline.db"


def test_the_schema_is_changed_past_a_pooler():
    environ = {
        "DATABASE_URL": "postgresql://pooler/name",
        "LISTEN_DATABASE_URL": "postgresql://host/name",
    }

    assert read_database_url(environ, env_file=None) == "postgresql://host/name"


def test_the_sandbox_needs_no_other_database():
    environ = {"LISTEN_DATABASE_URL": "postgresql://host/name"}

    assert model_for_sandbox(environ, env_file=None) == {}


def test_a_database_address_that_is_none_is_told_without_repeating_it():
    with pytest.raises(SettingsError) as caught:
        read_database_url({"DATABASE_URL": "mysql://root:pw@host"}, env_file=None)

    assert caught.value.faults[0].startswith("DATABASE_URL must be")
    assert "pw" not in str(caught.value)
