"""The API as an operator uses it: over HTTP, served by a real Hypercorn with a real Valkey."""

from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from functools import partial
from typing import Any

import httpx
import trio

from admin.app import create_app
from admin.archive.archive import Reader
from admin.config import AdminLimits
from admin.downloads import Downloads
from admin.hypercorn import begin_listening, bind, serve_app
from admin.inbox import Inbox
from admin.nodes import Nodes
from admin.pki.authority import Authority
from admin.pki.signing import Signing
from admin.services import Services
from gateway.service.attempts import Attempts
from gateway.service.networks import Networks
from state.events.feed import Feed
from state.nodes import nodes
from state.nodes.nodes import NodeRecord
from state.store import Store
from state.tenants import api_keys
from tests.admin.status_check import StatusCheck

PEPPER = b"a pepper for tests only, 32 bytes"
TENANT = "acme"


class Api:
    """A client with an API key for all tenants.

    `as_key` makes another API key and returns a header with that key.
    """

    def __init__(self, client: httpx.AsyncClient, services: Services, port: int) -> None:
        self.client = client
        self.services = services
        self.store = services.store
        self.port = port
        self.url = f"http://127.0.0.1:{port}"

    async def as_key(self, limited_to: list[str] | None, name: str = "test") -> dict[str, str]:
        made = await api_keys.create(self.store, PEPPER, name, limited_to)
        return {"Authorization": f"Bearer {made.secret}"}

    async def read_all(self, path: str, **query: Any) -> list[dict[str, Any]]:
        """Read all pages of a listing."""
        found: list[dict[str, Any]] = []
        while True:
            response = await self.client.get(path, params=query)
            assert response.status_code == 200, response.text
            page = response.json()
            assert set(page) == {"items", "next"}
            found += page["items"]
            if page["next"] is None:
                return found
            query["cursor"] = page["next"]


@asynccontextmanager
async def serving(
    store: Store,
    limits: AdminLimits | None = None,
    authority: Authority | None = None,
    *,
    attempts: Attempts | None = None,
    trusted_proxies: Networks | None = None,
    archive: Reader | None = None,
) -> AsyncIterator[Api]:
    limits = limits or AdminLimits()
    stop = trio.Event()
    with bind("127.0.0.1", 0, unacknowledged_s=5) as listener:
        begin_listening(listener)
        async with trio.open_nursery() as nursery:
            inbox = Inbox(store, nodes.new_incarnation())
            node = NodeRecord(kind="admin", host="test", pid=1, started_ms=store.server_time_ms())
            await nursery.start(inbox.run, node)
            feed = Feed(store, nursery, poll_s=0.05)
            signing = Signing(store, inbox.incarnation, authority)
            services = Services(
                store,
                PEPPER,
                inbox,
                Nodes(store, inbox.incarnation),
                feed,
                limits.event_clients,
                signing,
                Downloads(limits.downloads),
                attempts=attempts or Attempts(per_address=300, per_name=10),
                trusted_proxies=trusted_proxies or Networks(),
                archive=archive,
            )
            app = create_app(services, limits)
            await nursery.start(partial(serve_app, app, listener, limits, stop))
            port = listener.getsockname()[1]
            hooks: dict[str, list[Callable[..., Any]]] = {"response": [StatusCheck(app)]}
            async with httpx.AsyncClient(
                base_url=f"http://127.0.0.1:{port}",
                timeout=60,
                event_hooks=hooks,
                verify=False,  # Loading the authorities of the system takes 30 ms.
            ) as client:
                api = Api(client, services, port)
                client.headers.update(await api.as_key(None))
                yield api
            nursery.cancel_scope.cancel()
