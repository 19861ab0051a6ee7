"""Puts the parts of a sandbox together."""

from collections.abc import Callable

from app.sandbox.core import Core
from app.sandbox.delivery import Dispatcher
from app.sandbox.events import SUBSCRIPTIONS, Events
from app.sandbox.faults import Faults
from app.sandbox.feed import Feed
from app.sandbox.journal import Journal
from app.sandbox.limits import Limiter
from app.sandbox.socket import WARNED_BEFORE, SocketHub
from app.sandbox.status import Statuses
from app.sandbox.store import Store
from app.sandbox.streams import Streams
from app.sandbox.views import Views
from app.sandbox.workspace import Workspace

# The scopes that the app's manifest asks for.
SCOPES = frozenset(
    {
        "app_mentions:read",
        "assistant:write",
        "channels:history",
        "channels:read",
        "chat:write",
        "commands",
        "files:read",
        "groups:history",
        "groups:read",
        "im:history",
        "im:read",
        "im:write",
        "mpim:history",
        "mpim:read",
        "reactions:read",
        "reactions:write",
        "users:read",
    }
)


def build(
    *,
    store: Store | None,
    clock: Callable[[], float],
    retry_scale: float,
    answer_within: float,
    jitter: float,
    seed: int,
    journal_kept: int,
) -> Core:
    """Return a sandboxed Slack that is not served yet; it is kept in its `store`."""
    feed, faults = Feed(), Faults()
    workspace = Workspace(clock, store)
    journal = Journal(clock, feed.publish, kept=journal_kept)
    sockets = SocketHub(
        workspace.identity.app_id,
        clock=clock,
        faults=faults,
        answer_within=answer_within,
        warned_before=WARNED_BEFORE * retry_scale,
        seed=seed,
    )
    scopes, subscriptions = set(SCOPES), set(SUBSCRIPTIONS)
    dispatcher = Dispatcher(
        sockets,
        journal=journal,
        faults=faults,
        clock=clock,
        retry_scale=retry_scale,
        jitter=jitter,
        seed=seed,
    )
    core = Core(
        clock=clock,
        feed=feed,
        workspace=workspace,
        scopes=scopes,
        subscriptions=subscriptions,
        events=Events(workspace, scopes, subscriptions),
        limiter=Limiter(clock),
        journal=journal,
        faults=faults,
        dispatcher=dispatcher,
        sockets=sockets,
        statuses=Statuses(clock),
        streams=Streams(clock),
        views=Views(clock),
    )
    workspace.listen(core.happened)
    return core
