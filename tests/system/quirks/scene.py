"""The surroundings of a row: one gateway for all rows, and for each row a charge point, lenient or strict."""

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path
from typing import TYPE_CHECKING, Any
from urllib.parse import quote, urlsplit

import httpx
import trio

from gateway.ocpp16.errors import CODES
from state.store import Store, StoreConfig, open_store
from tests.support.charge_point_peer import Peer, Serve, charge_point
from tests.support.waiting import GENEROUS_S
from tests.system.central import Central, Process, Tenant
from tests.system.quirks.raw_socket import RawSocket, raw_socket, request

if TYPE_CHECKING:
    from tests.system.quirks.table import Quirk

MARKER = "Marker"
"""An unknown action.

When the count of the fault `action_unknown` is visible, the counts of all earlier faults are visible too.
"""
BOOT = {"chargePointVendor": "Vendor", "chargePointModel": "Model"}


class AsItShould(Exception):  # noqa: N818  it says what happened
    """A strict charge point was refused as its row says.

    The rest of the scene applies to lenient charge points only.
    """


class Site:
    """Shared surroundings of all scenes.

    In the tenant, csms does not register unknown charge points by itself.
    """

    def __init__(self, central: Central, gateway: Process, ca_file: Path) -> None:
        self.store_url = central.valkey.url
        self.gateway = gateway
        self.ca_file = ca_file
        self.tenant: Tenant = central.tenant(auto_register=False)


class Station:
    """A connected charge point.

    `odd` sends the faulty message of the row, which may be refused in strict mode.
    """

    def __init__(self, peer: Peer, refusal: str | None) -> None:
        self.peer = peer
        self._refusal = refusal

    async def call(self, action: str, payload: Any) -> Any:
        return await self.peer.call(action, payload)

    async def odd(self, action: str, payload: Any, *, id_: str | None = None) -> Any:
        """Send a faulty call and return the payload of its answer. Raises AsItShould."""
        return self._judged(await self.peer.exchange(action, payload, id_=id_))

    async def odd_frame(self, frame: str, *, id_: Any) -> Any:
        """Send a faulty frame unchanged, and return the payload of its answer. Raises AsItShould."""
        self.peer.answers.pop(id_, None)
        await self.peer.connection.send(frame.encode())
        return self._judged(await self.peer.answer_to(id_))

    async def alive(self) -> None:
        await self.peer.exchange("Heartbeat", {})
        assert (await self.peer.exchange(MARKER, {}))[:1] == [4]

    def _judged(self, answer: list[Any]) -> Any:
        if self._refusal is not None:
            assert (answer[0], answer[2]) == (4, self._refusal), answer
            raise AsItShould
        assert answer[0] == 3, answer
        return answer[2]


class Scene:
    def __init__(self, site: Site, row: "Quirk", api: httpx.AsyncClient, *, strict: bool) -> None:
        self.site = site
        self.api = api
        self.row = row
        self.strict = strict
        self.name = f"Q{row.number}-{'strict' if strict else 'lenient'}"
        self.marked = False

    @property
    def url(self) -> str:
        return self.site.tenant.url(self.site.gateway, self.name)

    @property
    def path(self) -> str:
        return urlsplit(self.url).path

    @property
    def refusal(self) -> str | None:
        return self.row.strict if self.strict and self.row.strict in CODES else None

    async def ask(self, method: str, path: str = "", **asked: Any) -> httpx.Response:
        """Call the API below the path of this charge point."""
        return await self.api.request(method, f"/charge-points/{quote(self.name, safe='')}{path}", **asked)

    async def register(self, **settings: Any) -> None:
        answer = await self.ask("PUT", json={"strict": self.strict, **settings})
        assert answer.is_success, answer.text

    @asynccontextmanager
    async def station(self, serve: Serve | None = None, *, boot: bool = True) -> AsyncIterator[Station]:
        """Connect and boot a charge point; it must still be connected when the block ends."""
        async with charge_point(self.url, serve) as peer:
            station = Station(peer, self.refusal)
            if boot:
                await station.call("BootNotification", BOOT)
            try:
                yield station
            except AsItShould:
                await self._leave(station)
                raise
            await self._leave(station)

    async def _leave(self, station: Station) -> None:
        await station.alive()
        self.marked = True

    @asynccontextmanager
    async def upgraded(self, asking: bytes | None = None) -> AsyncIterator[RawSocket]:
        """Connect with exactly this request.

        If the row has an HTTP status, a strict charge point must get it.
        """
        async with raw_socket(self.url, asking or request(self.path)) as socket:
            if self.strict and self.row.strict[:3].isdigit():
                assert socket.status == int(self.row.strict[:3]), socket.body
                raise AsItShould
            yield socket
            if socket.status == 101:
                assert (await socket.exchange("BootNotification", BOOT))[0] == 3
                assert (await socket.exchange(MARKER, {}))[0] == 4
                self.marked = True

    @asynccontextmanager
    async def store(self) -> AsyncIterator[Store]:
        async with open_store(StoreConfig(url=self.site.store_url)) as store:
            yield store

    async def transactions(self) -> list[dict[str, Any]]:
        """Return the transactions, newest first."""
        found = await self.api.get("/transactions", params={"charge_point": self.name})
        return list(found.json()["items"])

    async def values(self, number: int) -> list[dict[str, Any]]:
        found = await self.api.get(f"/transactions/{self.name}.{number}/meter-values")
        return list(found.json()["items"])

    async def connectors(self) -> dict[int, dict[str, Any]]:
        return {one["connector_id"]: one for one in (await self.ask("GET")).json()["connectors"]}

    async def command(self, action: str, payload: Any, **query: Any) -> httpx.Response:
        return await self.ask("POST", f"/commands/{action}", json=payload, params=query)

    async def check_counts(self) -> None:
        """Check that exactly the faults of the row were counted for this charge point and in the metric."""
        expected = set(self.row.strict_faults if self.strict else self.row.faults)
        found: dict[str, int] = {}
        with trio.move_on_after(GENEROUS_S):
            while True:
                items = (await self.ask("GET", "/faults")).json()["items"]
                found = {item["name"]: item["count"] for item in items}
                if expected <= set(found) and (not self.marked or "action_unknown" in found):
                    break
                await trio.sleep(0.02)
        assert set(found) - {"action_unknown"} == expected, found
        metric = await self.metric()
        assert all(metric[name] >= count for name, count in found.items())

    async def metric(self) -> dict[str, float]:
        """Return the values of the gateway's metric `csms_faults` by the name of the fault."""
        found = await self.site.gateway.read_metrics()
        return {labels[0]: value for (name, *labels), value in found.items() if name == "csms_faults_total"}
