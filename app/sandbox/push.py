"""Events over HTTP: signed requests to the app's address."""

import asyncio
import hashlib
import hmac
import json
import secrets
import ssl
import time
from urllib.parse import urlencode

import aiohttp
from yarl import URL

from app.sandbox.delivery import Answer
from app.sandbox.guard import is_loopback
from app.sandbox.records import Json

# Slack: follows two redirects, not more.
_REDIRECTS = 2
_FORM = "application/x-www-form-urlencoded"


class HttpPush:
    """Posts each payload to one address, which must first repeat a challenge."""

    name = "http"

    def __init__(
        self,
        url: str,
        secret: str,
        session: aiohttp.ClientSession,
        answer_within: float,
    ) -> None:
        """Take the app's address; raises ValueError unless it is on this machine."""
        if not is_loopback(URL(url).host or ""):
            raise ValueError("the sandbox delivers to this machine only")
        self._url = url
        self._secret = secret
        self._session = session
        self._answer_within = answer_within
        self._is_verified = False
        self._verifying = asyncio.Lock()

    async def send(self, kind: str, body: Json, attempt: int, reason: str) -> Answer:
        """Post once and wait for the answer."""
        refusal = await self._verify()
        if refusal is not None:
            return refusal
        headers = {}
        if attempt:
            headers = {
                "x-slack-retry-num": str(attempt),
                "x-slack-retry-reason": reason,
            }
        match kind:
            case "events_api":
                return await self._post(json.dumps(body), "application/json", headers)
            case "interactive":
                form = urlencode({"payload": json.dumps(body)})
                return await self._post(form, _FORM, headers)
            case _:
                return await self._post(urlencode(body), _FORM, headers)

    async def _verify(self) -> Answer | None:
        """Return why the address gets nothing; None once it repeated a challenge."""
        async with self._verifying:
            return None if self._is_verified else await self._challenge()

    async def _challenge(self) -> Answer | None:
        challenge = secrets.token_urlsafe(32)
        body = {"token": "", "challenge": challenge, "type": "url_verification"}
        answer = await self._post(json.dumps(body), "application/json", {})
        repeated = (answer.body or {}).get("challenge", "")
        self._is_verified = answer.accepted and repeated == challenge
        if self._is_verified:
            return None
        return Answer(status=0, reason=answer.reason or "http_error")

    async def _post(self, text: str, content_type: str, more: dict[str, str]) -> Answer:
        body = text.encode()
        timestamp = str(int(time.time()))
        basis = b"v0:" + timestamp.encode() + b":" + body
        digest = hmac.new(self._secret.encode(), basis, hashlib.sha256).hexdigest()
        headers = {
            "content-type": content_type,
            "user-agent": "Slackbot 1.0 (+https://api.slack.com/robots)",
            "x-slack-request-timestamp": timestamp,
            "x-slack-signature": f"v0={digest}",
            **more,
        }
        try:
            async with (
                asyncio.timeout(self._answer_within),
                self._session.post(
                    self._url, data=body, headers=headers, max_redirects=_REDIRECTS + 1
                ) as response,
            ):
                return _answer(response, await response.read())
        except TimeoutError:
            return Answer(status=0, reason="http_timeout")
        except aiohttp.TooManyRedirects:
            return Answer(status=0, reason="too_many_redirects")
        except (ssl.SSLError, aiohttp.ClientSSLError):
            return Answer(status=0, reason="ssl_error")
        except aiohttp.ClientConnectionError:
            return Answer(status=0, reason="connection_failed")
        except aiohttp.ClientError:
            return Answer(status=0, reason="unknown_error")


def _answer(response: aiohttp.ClientResponse, raw: bytes) -> Answer:
    try:
        body = json.loads(raw)
    except ValueError:
        body = {"challenge": raw.decode(errors="replace")} if raw else None
    status = response.status
    return Answer(
        status=status,
        reason="" if response.ok else "http_error",
        body=body if isinstance(body, dict) else None,
        retry=response.headers.get("x-slack-no-retry") != "1",
    )
