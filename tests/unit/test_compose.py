"""The compose file: what it starts, in which order, and that it fits the program."""

import re
from pathlib import Path
from typing import Any

import yaml

from app.cli import _parser
from app.settings import Settings, read_settings

ROOT = Path(__file__).parents[2]
TEXT = (ROOT / "compose.yml").read_text(encoding="utf-8")
COMPOSE: dict[str, Any] = yaml.safe_load(TEXT)
SERVICES = COMPOSE["services"]


def test_three_replicas_start_once_the_schema_is_there() -> None:
    app, migrate = SERVICES["app"], SERVICES["migrate"]

    assert app["deploy"]["replicas"] == 3
    assert app["depends_on"] == {
        "migrate": {"condition": "service_completed_successfully"}
    }
    assert migrate["depends_on"] == {"postgres": {"condition": "service_healthy"}}
    assert _parser().parse_args(migrate["command"]).command.__name__ == "_migrate"
    assert app["image"] == migrate["image"]
    # None of them may migrate by itself while the others serve.
    assert app["environment"]["AUTO_MIGRATE"] == "false"


def test_replicas_are_given_settings_that_there_are_and_the_database_there_is() -> None:
    given = SERVICES["app"]["environment"]
    postgres = SERVICES["postgres"]["environment"]
    assert given.keys() <= {name.upper() for name in Settings.model_fields}

    secrets = {"SLACK_BOT_TOKEN": "xoxb-1", "SLACK_APP_TOKEN": "xapp-1"}
    told = re.sub(r"\$\{POSTGRES_PASSWORD[^}]*\}", "abc123", given["DATABASE_URL"])
    settings = read_settings(
        given | secrets | {"OPENAI_API_KEY": "sk-1", "DATABASE_URL": told},
        env_file=None,
    )
    user, database = postgres["POSTGRES_USER"], postgres["POSTGRES_DB"]
    url = settings.database_url.get_secret_value()
    assert url == f"postgresql://{user}:abc123@postgres/{database}"


def test_each_replica_has_a_port_that_only_this_machine_can_reach() -> None:
    [published] = SERVICES["app"]["ports"]
    host, ports, inside = published.split(":")
    first, last = map(int, ports.split("-"))

    assert host == "127.0.0.1"
    assert inside == SERVICES["app"]["environment"]["PORT"]
    assert last - first + 1 > SERVICES["app"]["deploy"]["replicas"]
    assert "ports" not in SERVICES["postgres"]


def test_a_replica_is_healthy_when_it_is_ready() -> None:
    checks = SERVICES["app"]["healthcheck"]["test"]

    assert "/readyz" in checks[-1]
    compile(checks[-1], "healthcheck", "exec")


def test_volumes_and_images_are_named_and_no_path_of_a_machine_is() -> None:
    mounted = [
        volume.split(":")[0]
        for service in SERVICES.values()
        for volume in service.get("volumes", ())
    ]

    assert set(mounted) == set(COMPOSE["volumes"])
    assert SERVICES["migrate"]["build"] == "."
    assert not any("/" in service["image"] for service in SERVICES.values())
    assert "PASSWORD=" not in re.sub(r"#.*", "", TEXT)


def test_the_readme_starts_it_as_its_first_lines_say() -> None:
    readme = (ROOT / "README.md").read_text(encoding="utf-8")
    commands = re.findall(r"^#   ([^#\n]+?)(?:\s{2,}#.*)?$", TEXT, re.MULTILINE)

    assert len(commands) == 3
    assert [command for command in commands if command not in readme] == []
