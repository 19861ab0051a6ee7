"""Which proxy a call goes through."""

import pytest

from app.slack.proxy import proxy_for


@pytest.fixture(autouse=True)
def environment(monkeypatch: pytest.MonkeyPatch) -> None:
    for name in ("http_proxy", "https_proxy", "all_proxy", "no_proxy"):
        monkeypatch.delenv(name, raising=False)
        monkeypatch.delenv(name.upper(), raising=False)
    monkeypatch.setenv("HTTPS_PROXY", "http://proxy.test:3128")
    monkeypatch.setenv("NO_PROXY", "internal.test")


@pytest.mark.parametrize("url", ["https://slack.com/api/", "wss://wss.slack.com/link"])
def test_slack_is_reached_through_the_proxy(url: str) -> None:
    assert proxy_for(url) == "http://proxy.test:3128"


@pytest.mark.parametrize(
    "url",
    [
        "https://127.0.0.1:8300/api/",
        "ws://localhost:8300/link",
        "https://[::1]:8300/",
        "https://internal.test/api/",
        "http://plain.test/",
    ],
)
def test_this_machine_and_what_is_excepted_are_reached_directly(url: str) -> None:
    assert proxy_for(url) is None
