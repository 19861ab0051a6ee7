"""The workspace as it is on its first day."""

import secrets
from dataclasses import dataclass

from app.sandbox.records import Channel, ChannelKind, Person

TEAM_ID = "T0SANDBOX1"
BOT_NAME = "threadline"


@dataclass(frozen=True, slots=True, kw_only=True)
class Identity:
    """Who the workspace and the app in it are; the secrets open nothing else.

    Every token carries the mark `-sandbox-`; the sandbox accepts no other.
    """

    bot_token: str
    app_token: str
    signing_secret: str
    team_id: str = TEAM_ID
    team_name: str = "Sandbox"
    domain: str = "sandbox"
    app_id: str = "A0SANDBOX1"
    bot_user_id: str = "U0THREAD01"
    bot_id: str = "B0THREAD01"


def new_identity() -> Identity:
    """Make up the secrets of a new workspace."""
    return Identity(
        bot_token=f"xoxb-sandbox-{secrets.token_hex(16)}",
        app_token=f"xapp-sandbox-{secrets.token_hex(16)}",
        signing_secret=secrets.token_hex(16),
    )


def first_people(identity: Identity) -> list[Person]:
    """Return three people, the app's bot, and a bot of somebody else."""
    team_id = identity.team_id
    return [
        Person(user_id="U0ANA00001", name="ana", real_name="Ana", team_id=team_id),
        Person(user_id="U0BEN00001", name="ben", real_name="Ben", team_id=team_id),
        Person(user_id="U0CHLOE001", name="chloe", real_name="Chloé", team_id=team_id),
        Person(
            user_id=identity.bot_user_id,
            name=BOT_NAME,
            real_name="Threadline",
            team_id=team_id,
            bot_id=identity.bot_id,
        ),
        Person(
            user_id="U0BUILD001",
            name="buildbot",
            real_name="Buildbot",
            team_id=team_id,
            bot_id="B0BUILD001",
        ),
    ]


def first_channels(people: list[Person], identity: Identity) -> list[Channel]:
    """Return the channels; the bot is in all of them but #random."""
    everyone = frozenset(person.user_id for person in people)
    bot = identity.bot_user_id
    ana, ben, *_ = people
    channels = [
        Channel(
            channel_id="C0GENERAL1",
            name="general",
            kind=ChannelKind.CHANNEL,
            members=everyone,
        ),
        Channel(
            channel_id="C0RANDOM01",
            name="random",
            kind=ChannelKind.CHANNEL,
            members=everyone - {bot},
        ),
        Channel(
            channel_id="C0PRIVATE1",
            name="home-team",
            kind=ChannelKind.GROUP,
            members=frozenset({ana.user_id, ben.user_id, bot}),
        ),
        Channel(
            channel_id="C0GROUPDM1",
            name=f"mpdm-{ana.name}--{ben.name}--{BOT_NAME}-1",
            kind=ChannelKind.MPIM,
            members=frozenset({ana.user_id, ben.user_id, bot}),
        ),
    ]
    return channels + [
        direct_channel(person, bot) for person in people if not person.is_bot
    ]


def direct_channel(person: Person, bot_user_id: str) -> Channel:
    """Return the DM of a person with the bot."""
    return Channel(
        channel_id="D" + person.user_id[1:],
        name=f"dm:{person.name}",
        kind=ChannelKind.IM,
        members=frozenset({person.user_id, bot_user_id}),
    )
