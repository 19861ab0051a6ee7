"""The sandbox's app is installed as the manifest says."""

from pathlib import Path

import yaml

from app.sandbox.building import SCOPES
from app.sandbox.events import SUBSCRIPTIONS

MANIFEST = yaml.safe_load(
    (Path(__file__).parents[3] / "manifest.yml").read_text(encoding="utf-8")
)


def test_the_sandbox_grants_what_the_manifest_asks_for_and_no_more() -> None:
    settings = MANIFEST["settings"]["event_subscriptions"]
    assert set(SCOPES) == set(MANIFEST["oauth_config"]["scopes"]["bot"])
    assert set(SUBSCRIPTIONS) == set(settings["bot_events"])
