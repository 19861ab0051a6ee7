"""Which requests are believed to come from Slack."""

import random

import pytest

from app.slack.payloads import parse_body
from app.slack.verify import MAX_AGE, header_refusal, refusal, signature
from tests.unit.slack.inward.recorded import FOLDER

SECRET = "8f742231b10e8888abcd99yyyzzz85a5"
NOW = 1_800_000_000.0
BODY = (FOLDER / "app_mention.json").read_bytes()


def signed(body: bytes = BODY, at: str = "1800000000") -> dict[str, str]:
    return {
        "X-Slack-Request-Timestamp": at,
        "X-Slack-Signature": signature(at, body, SECRET),
    }


def test_slacks_own_example_is_believed() -> None:
    # From "Verifying requests from Slack".
    body = (
        b"token=xyzz0WbapA4vBCDEFasx0q6G&team_id=T1DC2JH3J&team_domain=testteamnow"
        b"&channel_id=G8PSS9T3V&channel_name=foobar&user_id=U2CERLKJA"
        b"&user_name=roadrunner&command=%2Fwebhook-collect&text="
        b"&response_url=https%3A%2F%2Fhooks.slack.com%2Fcommands%2FT1DC2JH3J"
        b"%2F397700885554%2F96rGlfmibIGlgcZRskXaIFfN"
        b"&trigger_id=398738663015.47445629121.803a0bc887a14d10d2c447fce8b6703c"
    )
    headers = {
        "X-Slack-Request-Timestamp": "1531420618",
        "X-Slack-Signature": "v0="
        "a2114d57b48eac39b9ad189dd8316235a7b4a8d21a10bd27519666489c69b503",
    }

    assert refusal(headers, body, SECRET, 1531420618.0) is None


@pytest.mark.parametrize("age", [-MAX_AGE, 0, MAX_AGE])
def test_a_request_of_the_last_five_minutes_is_believed(age: float) -> None:
    assert refusal(signed(), BODY, SECRET, NOW + age) is None


@pytest.mark.parametrize("age", [-MAX_AGE - 1, MAX_AGE + 1, 1e9])
def test_an_older_or_later_one_is_stale(age: float) -> None:
    assert refusal(signed(), BODY, SECRET, NOW + age) == "stale"


@pytest.mark.parametrize(
    "timestamp",
    [
        "",
        "x",
        "-1",
        "1e9",
        "1800000000.0",
        " 1800000000",
        "1800000000\n",
        "9" * 5000,
        "١٨٠٠٠٠٠٠٠٠",
        "0x6b49d200",
        "1_800_000_000",
    ],
)
def test_a_timestamp_that_is_no_number_is_refused_unread(timestamp: str) -> None:
    headers = {**signed(), "X-Slack-Request-Timestamp": timestamp}

    assert header_refusal(headers, NOW) == "bad timestamp"


@pytest.mark.parametrize(
    "forged",
    [
        "",
        "v0=",
        "v0=" + "0" * 63,
        "v0=" + "G" * 64,
        "v1=" + "0" * 64,
        "v0=é" * 20,
        "v0=" + "0" * 64 + "\n",
        "V0=" + "0" * 64,
        "v0=" + "A" * 64,
        "\udcff",
    ],
)
def test_a_signature_of_another_form_is_refused_unread(forged: str) -> None:
    headers = {**signed(), "X-Slack-Signature": forged}

    assert header_refusal(headers, NOW) == "bad signature"


@pytest.mark.parametrize("missing", ["X-Slack-Request-Timestamp", "X-Slack-Signature"])
def test_an_unsigned_request_is_refused_unread(missing: str) -> None:
    headers = {key: value for key, value in signed().items() if key != missing}

    assert header_refusal(headers, NOW)


def test_another_secret_does_not_sign() -> None:
    forged = signature("1800000000", BODY, "another secret")
    headers = {**signed(), "X-Slack-Signature": forged}

    assert refusal(headers, BODY, SECRET, NOW) == "bad signature"


def test_of_ten_thousand_tampered_requests_none_is_believed() -> None:
    dice = random.Random(1)  # noqa: S311 - the same faults each time

    believed = [
        tampered
        for tampered in (_tampered(dice) for _ in range(10_000))
        if refusal(*tampered, SECRET, NOW) is None
    ]

    assert believed == []


def test_of_ten_thousand_signed_bodies_each_is_an_object_or_refused() -> None:
    dice = random.Random(2)  # noqa: S311 - as above
    bodies = [path.read_bytes() for path in sorted(FOLDER.glob("*.json"))]

    parsed = [parse_body(_scrambled(dice, dice.choice(bodies))) for _ in range(10_000)]

    assert all(payload is None or isinstance(payload, dict) for payload in parsed)
    assert any(payload is None for payload in parsed)
    assert any(payload is not None for payload in parsed)


def _tampered(dice: random.Random) -> tuple[dict[str, str], bytes]:
    headers, body = signed(), BODY
    while headers == signed() and body == BODY:
        match dice.randrange(4):
            case 0:
                body = _scrambled(dice, body)
            case 1:
                name = dice.choice(sorted(headers))
                scrambled = _scrambled(dice, headers[name].encode())
                headers[name] = scrambled.decode("utf-8", "surrogateescape")
            case 2:
                shift = dice.randint(-400, 400)
                headers["X-Slack-Request-Timestamp"] = str(int(NOW) + shift)
            case _:
                del headers[dice.choice(sorted(headers))]
    return headers, body


def _scrambled(dice: random.Random, body: bytes) -> bytes:
    at = dice.randrange(len(body))
    junk = bytes(dice.randrange(256) for _ in range(dice.randrange(4)))
    return body[:at] + junk + body[at + dice.randrange(3) :]
