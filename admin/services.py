"""The objects that all routes share. `create_app` adds them to the app, once in each process."""

from collections import Counter, defaultdict
from dataclasses import dataclass, field

from quart import current_app

from admin.archive.archive import Reader
from admin.downloads import Downloads
from admin.inbox import Inbox, Wake
from admin.nodes import Nodes
from admin.pki.signing import Signing
from gateway.service.attempts import Attempts
from gateway.service.networks import Networks
from state.events.feed import Feed
from state.histogram import Histogram
from state.store import Store


@dataclass(slots=True)
class Viewers:
    """The number of clients that follow a trace live."""

    count: int = 0


@dataclass(slots=True)
class Answers:
    """The answers of the API: their number by route, method and status, and their time by method."""

    counts: Counter[tuple[str, str, str]] = field(default_factory=Counter)
    seconds: defaultdict[str, Histogram] = field(default_factory=lambda: defaultdict(Histogram))

    def note(self, route: str, method: str, status: int, seconds: float) -> None:
        self.counts[route, method, str(status)] += 1
        self.seconds[method].observe(seconds)


@dataclass(frozen=True, slots=True)
class Services:
    store: Store
    pepper: bytes
    inbox: Inbox
    nodes: Nodes
    feed: Feed
    event_clients: int
    signing: Signing
    downloads: Downloads
    answers: Answers = field(default_factory=Answers)
    viewers: Viewers = field(default_factory=Viewers)
    attempts: Attempts = field(default_factory=lambda: Attempts(per_address=300, per_name=10))
    """Wrong API keys by address, and by address and the id of the key."""
    trusted_proxies: Networks = field(default_factory=Networks)
    batch_begun: Wake = field(default_factory=Wake)
    """Set when a request of this process has begun a batch."""
    archive: Reader | None = None
    """The archive, if this process can read it."""


def services() -> Services:
    """Return the services of the current app. Only views call this function.

    Other functions get the services as an argument.
    """
    found = current_app.extensions["csms"]
    assert isinstance(found, Services)  # noqa: S101  create_app put it there
    return found


def current_store() -> Store:
    return services().store
