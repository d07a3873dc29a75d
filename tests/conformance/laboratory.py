"""The test bench of a case: one charge point in the central system, and its operator."""

import json
import secrets
import shutil
import ssl
import tempfile
from collections.abc import AsyncIterator, Iterator
from contextlib import asynccontextmanager, contextmanager
from pathlib import Path
from typing import Any, NamedTuple
from urllib.parse import quote

import httpx
import trio

from tests.conformance import keys
from tests.conformance.charge_point import ChargePoint, connected, now
from tests.conformance.station import Call, Json, Violation
from tests.support import official_schemas
from tests.support.csms_up import Running, csms_up

# The tool's test data, set up in the central system before the run. The tag UNKNOWN is left out on purpose.
VALID = "OCTT-VALID"
SECOND = "OCTT-SECOND"
PARENT = "OCTT-PARENT"
EXPIRED = "OCTT-EXPIRED"
PAST = "OCTT-PAST"
BLOCKED = "OCTT-BLOCKED"
UNKNOWN = "OCTT-UNKNOWN"
SECOND_ROOT = "OCTT second root"
TAGS: dict[str, Json] = {
    VALID: {"parent_id_tag": PARENT},
    SECOND: {"parent_id_tag": PARENT},
    EXPIRED: {"status": "Expired"},
    PAST: {"expiry_date": "2024-01-01T00:00:00Z"},
    BLOCKED: {"status": "Blocked"},
}


@contextmanager
def prepared() -> Iterator[Running]:
    """Run a `csms up` with the tool's test data until the block ends."""
    directory = Path(tempfile.mkdtemp(prefix="csms-octt-"))
    try:
        with csms_up(directory / "data", "--drain-seconds", "0") as running:
            with running.api() as api:
                tenant = {"name": "Demo", "auto_register": True, "certificate_signing": "automatic"}
                api.put(f"{running.admin}/v1/tenants/{running.tenant}", json=tenant).raise_for_status()
                for tag, settings in TAGS.items():
                    api.put(f"/id-tags/{tag}", json=settings).raise_for_status()
            yield running
    finally:
        shutil.rmtree(directory, ignore_errors=True)


type Credentials = tuple[ssl.SSLContext, dict[str, str] | None]


class Done(NamedTuple):
    """A command as the charge point received it, and as the operator sees it afterwards."""

    heard: Call
    command: Json


class Laboratory:
    """`profile` is the security profile of the charge point, unless a case chooses another one."""

    def __init__(
        self, running: Running, tls: ssl.SSLContext, api: httpx.AsyncClient, id_: str, profile: int = 0
    ) -> None:
        self.running = running
        self.tls = tls
        self.api = api
        self.id = id_
        self.profile = profile
        self._credentials: Credentials | None = None

    def __repr__(self) -> str:
        return f"<laboratory of {self.id}>"

    # --- The charge point ---

    @asynccontextmanager
    async def connected(
        self,
        *,
        scheme: str = "wss",
        tls: ssl.SSLContext | None = None,
        subprotocols: tuple[str, ...] = ("ocpp1.6",),
        headers: dict[str, str] | None = None,
    ) -> AsyncIterator[ChargePoint]:
        """Connect the charge point, whose serial number is its id.

        Raises the exception InvalidStatus of `websockets` if the connection is refused. Raises Violation if
        the central system does something that the case does not allow.
        """
        if self.profile and tls is None and headers is None:
            tls, headers = self._credentials or await self._prepare_credentials()
        async with connected(
            self.running.url(self.id, scheme=scheme),
            (tls or self.tls) if scheme == "wss" else None,
            serial=self.id,
            subprotocols=subprotocols,
            headers=headers,
        ) as charge_point:
            yield charge_point

    async def _prepare_credentials(self) -> "Credentials":
        """Give the charge point a password, and a certificate if it needs one, and demand its profile."""
        if (await self.api.get(self._path())).status_code == 404:
            await self.settings()
        key = secrets.token_hex(20)
        done = await self.api.put(self._path("/authorization-key"), json={"value": key})
        assert done.status_code == 200, done.text
        found: Credentials = self.tls, keys.basic(self.id, key)
        if self.profile == 3:
            async with self.connected(tls=self.tls, headers=found[1]) as charge_point:
                charge_point.expect("CertificateSigned")
                csr = keys.signing_request("ECDSA", "profile 3", self.id)
                assert await charge_point.call("SignCertificate", {"csr": csr}) == {"status": "Accepted"}
                signed = await charge_point.expected()
                await charge_point.answer(signed, {"status": "Accepted"})
            private = keys.private_key("ECDSA", "profile 3")
            chain = signed.payload["certificateChain"]
            with tempfile.TemporaryDirectory() as directory:
                found = (
                    keys.client_tls(self.running.ca_file, chain, private, Path(directory)),
                    None,
                )
        done = await self.api.patch(self._path("/security"), json={"security_profile": self.profile})
        assert done.status_code == 200, done.text
        self._credentials = found
        return found

    @asynccontextmanager
    async def booted(self) -> AsyncIterator[ChargePoint]:
        async with self.connected() as charge_point:
            await charge_point.cold_boot()
            yield charge_point

    # --- The operator ---

    async def command(self, cp: ChargePoint, action: str, payload: Json, answer: Json) -> Done:
        """Send a command with exactly this payload, and return what the charge point and the operator saw of
        it.
        """
        path = self._path(f"/commands/{action}")
        heard, posted = await self.operate(cp, "POST", path, action, payload, answer, body=payload)
        command: Json = posted.json()
        if (command["status"], command["response"]) != ("answered", answer):
            raise Violation(f"{action}: the operator sees {command}")
        return Done(heard, command)

    async def operate(
        self,
        cp: ChargePoint,
        method: str,
        path: str,
        action: str,
        payload: Json,
        answer: Json,
        *,
        body: Json | None = None,
    ) -> tuple[Call, httpx.Response]:
        """Make an API request that sends this call, and expect 200 after the charge point's answer."""
        cp.expect(action)
        before = len(cp.heard)
        posted: list[httpx.Response] = []
        heard: Call | None = None
        failure: Violation | None = None
        async with trio.open_nursery() as nursery:

            async def post() -> None:
                posted.append(await self.api.request(method, path, json=body))
                if len(cp.heard) == before:  # The request was refused, so no call will come.
                    nursery.cancel_scope.cancel()

            nursery.start_soon(post)
            try:
                heard = await _obey(cp, action, payload, answer)
            except Violation as error:
                failure = error
                nursery.cancel_scope.cancel()
        if failure is not None:
            raise failure
        if heard is None or posted[0].status_code != 200:
            raise Violation(f"{action}: the API answered {posted[0].status_code} {posted[0].text}")
        return heard, posted[0]

    async def install_root(self, cp: ChargePoint, use: str, status: str = "Accepted") -> None:
        asked = {"certificateType": use, "certificate": keys.pem(keys.root(SECOND_ROOT))}
        done = await self.command(cp, "InstallCertificate", asked, {"status": status})
        assert "\r" not in done.heard.payload["certificate"]

    async def report_security_event(self, cp: ChargePoint, kind: str) -> None:
        """Let the charge point report a status, and check that the central system keeps it."""
        payload = {"type": kind, "timestamp": now(), "techInfo": "octt"}
        assert await cp.call("SecurityEventNotification", payload) == {}
        [kept] = (await self.read("/security-events"))["items"]
        assert (kept["type"], kept["timestamp"], kept["tech_info"]) == (kind, payload["timestamp"], "octt")

    async def check_job(self, kind: str, *statuses: str) -> None:
        """Check that the job's history has these statuses after the answer to the command."""
        [job] = (await self.read("/jobs"))["items"]
        assert (job["kind"], job["running"]) == (kind, False)
        assert [each["status"] for each in job["history"]][1:] == list(statuses)

    async def settings(self, **settings: Any) -> None:
        """Replace the charge point's settings."""
        done = await self.api.put(self._path(), json=settings)
        assert done.status_code in {200, 201}, done.text

    async def read(self, below: str = "") -> Json:
        """Return the answer of the API at a path below that of the charge point."""
        return await self.get(self._path(below))

    async def status(self, connector: int) -> str:
        """Return a connector's last status, as an operator sees it."""
        found = {each["connector_id"]: each["status"] for each in (await self.read())["connectors"]}
        return str(found.get(connector))

    async def transaction(self, transaction: int) -> Json:
        return await self.get(f"/transactions/{quote(f'{self.id}.{transaction}', safe='')}")

    async def transactions(self) -> list[Json]:
        found: list[Json] = (await self.get(f"/transactions?charge_point={self.id}"))["items"]
        return found

    async def get(self, path: str) -> Json:
        found = await self.api.get(path)
        assert found.status_code == 200, found.text
        read: Json = found.json()
        return read

    def _path(self, below: str = "") -> str:
        return f"/charge-points/{self.id}{below}"


async def _obey(cp: ChargePoint, action: str, payload: Json, answer: Json) -> Call:
    heard = await cp.expected()
    if heard.payload != official_schemas.read(json.dumps(payload)):
        raise Violation(f"{action} was requested as {payload} but sent as {heard.payload}")
    await cp.answer(heard, answer)
    return heard
