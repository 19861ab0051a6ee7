"""A token that Slack does not take: asked about now and then, never in a hurry."""

import asyncio
from dataclasses import dataclass, field

from app.errors import AccessLost, SlackUnavailable
from app.slack.access import Access
from bench.virtual import Clock, virtually


@dataclass
class Slack:
    clock: Clock
    asked: list[float] = field(default_factory=list)
    takes_it_at: float = 0.0
    is_away_until: float = 0.0

    async def probe(self) -> None:
        self.asked.append(self.clock.now())
        if self.clock.now() < self.is_away_until:
            raise SlackUnavailable("timeout")
        if self.clock.now() < self.takes_it_at:
            raise AccessLost("account_inactive", "auth.test")


def test_a_refused_token_is_tried_again_ever_more_slowly_until_it_is_taken() -> None:
    async def main(clock: Clock) -> None:
        slack = Slack(clock, takes_it_at=clock.now() + 600)
        access = Access(slack.probe, now=clock.now)
        watch = asyncio.create_task(access.regain())
        await asyncio.sleep(30)
        assert access.is_granted
        assert slack.asked == []
        access.lost("token_revoked")
        assert access.refused_by == "token_revoked"
        await asyncio.sleep(2)
        assert access.refused_by == "account_inactive"
        await watch
        assert access.is_granted
        assert clock.now() >= 600
        assert 10 < len(slack.asked) < 20

    virtually(main)


def test_a_token_that_is_said_to_be_revoked_is_tried_at_once() -> None:
    async def main(clock: Clock) -> None:
        slack = Slack(clock)
        access = Access(slack.probe, now=clock.now)
        access.doubt()
        await access.regain()
        assert access.is_granted
        assert slack.asked == [clock.now()]
        slack.takes_it_at = clock.now() + 5
        access.doubt()
        watch = asyncio.create_task(access.regain())
        await asyncio.sleep(0.5)
        assert access.refused_by == "account_inactive"
        await watch
        assert access.is_granted

    virtually(main)


def test_an_outage_tells_nothing_about_the_token() -> None:
    async def main(clock: Clock) -> None:
        slack = Slack(clock, is_away_until=clock.now() + 10)
        access = Access(slack.probe, now=clock.now)
        access.lost("token_revoked")
        watch = asyncio.create_task(access.regain())
        await asyncio.sleep(9)
        assert access.refused_by == "token_revoked"
        await watch
        assert access.is_granted

    virtually(main)


def test_a_token_that_comes_and_goes_is_not_asked_about_ever_faster() -> None:
    async def main(clock: Clock) -> None:
        slack = Slack(clock)
        access = Access(slack.probe, now=clock.now)
        for _ in range(8):
            access.lost("invalid_auth")
            await access.regain()
        assert len(slack.asked) == 8
        assert slack.asked[-1] - slack.asked[-2] >= 60
        await asyncio.sleep(100)
        access.lost("invalid_auth")
        before = clock.now()
        await access.regain()
        assert clock.now() - before < 2

    virtually(main)
