"""A charge point with a password, which shares no code with csms. It uses `websockets` and blocks."""

import base64
import json
import ssl
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from typing import Any

import httpx
from websockets import ConnectionClosed, InvalidStatus, Subprotocol
from websockets.sync.client import ClientConnection, connect

from tests.support.csms_up import Running
from tests.support.waiting import GENEROUS_S, wait_until


class Station:
    """A charge point of one tenant. `habit` makes the bytes that it sends as its password from its key."""

    def __init__(self, site: "Site", id_: str, habit: Callable[[str], bytes] = bytes.fromhex) -> None:
        self.site = site
        self.id = id_
        self.habit = habit
        self.path = f"/charge-points/{id_}"

    @contextmanager
    def connected(
        self, key: str | None, *, profile: int = 1, token: str | None = None, base: str | None = None
    ) -> Iterator[ClientConnection]:
        """Connect with the key until the block ends. Raises InvalidStatus."""
        headers = {}
        if key is not None:
            joined = self.id.encode() + b":" + self.habit(key)
            headers["Authorization"] = "Basic " + base64.b64encode(joined).decode()
        secure = profile == 2
        base = base or (self.site.running.wss if secure else self.site.running.ws)
        with connect(
            f"{base}/OCPP16/{self.site.tenant}/{token or self.site.token}/{self.id}",
            subprotocols=[Subprotocol("ocpp1.6")],
            additional_headers=headers,
            ssl=ssl.create_default_context(cafile=self.site.running.ca_file) if secure else None,
            open_timeout=GENEROUS_S,
            close_timeout=GENEROUS_S,
        ) as connection:
            yield connection

    def status(self, key: str | None, **options: Any) -> int:
        """Return the HTTP status of a connection with the key."""
        try:
            with self.connected(key, **options) as connection:
                assert boot(connection) == "Accepted"
                return 101
        except InvalidStatus as refused:
            return refused.response.status_code

    def change(self, key: str, *, timeout_s: int = 60) -> str:
        """Let csms send a new key, and return the id of the command. The caller must answer it."""
        made = self.site.api.post(
            f"{self.path}/commands/ChangeConfiguration?wait=0&timeout={timeout_s}",
            json={"key": "AuthorizationKey", "value": key},
        )
        assert made.status_code == 202, made.text
        return str(made.json()["id"])

    def wait_command(self, id_: str, *statuses: str) -> None:
        def has_status() -> bool:
            return self.site.api.get(f"/commands/{id_}").json()["status"] in statuses

        wait_until(has_status, lambda: self.site.api.get(f"/commands/{id_}").text)

    def floor(self) -> int:
        return int(self.site.api.get(f"{self.path}/security").json()["security_profile"])


class Site:
    """A tenant of a test on a running csms, with one token."""

    def __init__(self, running: Running, api: httpx.Client, tenant: str, token: dict[str, Any]) -> None:
        self.running = running
        self.api = api
        self.tenant = tenant
        self.token: str = token["secret"]
        self.token_id: str = token["id"]

    def station(
        self, id_: str, key: str | None, habit: Callable[[str], bytes] = bytes.fromhex, *, profile: int = 0
    ) -> Station:
        """Register a charge point with this key and floor."""
        found = Station(self, id_, habit)
        assert self.api.put(found.path, json={}).status_code in {200, 201}
        if key is not None:
            set_ = self.api.put(f"{found.path}/authorization-key", json={"value": key})
            assert set_.status_code == 200, set_.text
        changed = self.api.patch(f"{found.path}/security", json={"security_profile": profile})
        assert changed.status_code == 200, changed.text
        return found


@contextmanager
def site(running: Running, tenant: str, **settings: Any) -> Iterator[Site]:
    headers = {"Authorization": f"Bearer {running.api_key}"}
    base = f"{running.admin}/v1/tenants/{tenant}"
    with httpx.Client(base_url=base, headers=headers, timeout=GENEROUS_S) as api:
        assert api.put(base, json=settings).status_code in {200, 201}
        made = api.post("/tokens", json={})
        assert made.status_code == 201, made.text
        yield Site(running, api, tenant, made.json())


def call(connection: ClientConnection, action: str, payload: Any) -> Any:
    connection.send(json.dumps([2, "m", action, payload]))
    answer = json.loads(connection.recv(GENEROUS_S))
    assert answer[0] == 3, answer
    return answer[2]


def boot(connection: ClientConnection) -> Any:
    payload = {"chargePointVendor": "Else", "chargePointModel": "Other"}
    return call(connection, "BootNotification", payload)["status"]


def receive_call(connection: ClientConnection) -> tuple[str, str, Any]:
    """Return the message id, the action and the payload of the next call of csms."""
    kind, id_, action, payload = json.loads(connection.recv(GENEROUS_S))
    assert kind == 2
    return id_, action, payload


def wait_closed(connection: ClientConnection) -> int:
    """Return the code of the CLOSE frame of csms."""
    with suppress(ConnectionClosed):
        while True:
            connection.recv(GENEROUS_S)
    assert connection.close_code is not None
    return connection.close_code
