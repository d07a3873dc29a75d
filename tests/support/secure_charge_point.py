"""A charge point that changes its password, certificate and security profile as the whitepaper says.

It uses the `websockets` package and no code of the product.
"""

import json
import ssl
import tempfile
from base64 import b64encode
from pathlib import Path
from typing import Any

import trio
from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.x509.oid import NameOID
from websockets import ConnectionClosed, InvalidStatus
from websockets.trio.client import ClientConnection, connect

from tests.support.csms_up import Running
from tests.support.waiting import GENEROUS_S

type Json = dict[str, Any]
_ACCEPTED = {"status": "Accepted"}


class SecureChargePoint:
    """`refused` counts the refused connections, and `profile` is the profile with which it connected last."""

    def __init__(self, running: Running, id_: str) -> None:
        self.running = running
        self.id = id_
        self.password: bytes | None = None
        self.chain = ""
        self.key = ec.generate_private_key(ec.SECP256R1())
        self.profile = 0
        self.wanted = 0
        self.refused = 0
        self.connected = trio.Event()
        self._restart = False
        self._calls = 0

    async def is_refused(self, profile: int) -> bool:
        """Try a connection with another profile."""
        try:
            async with self._connect(profile):
                return False
        except InvalidStatus as error:
            return error.response.status_code in {401, 403}

    async def run(self, task_status: trio.TaskStatus[None] = trio.TASK_STATUS_IGNORED) -> None:
        """Connect again and again until cancelled. A profile that fails falls back to the one before it."""
        while True:
            try:
                async with self._connect(self.wanted) as websocket:
                    self.profile = self.wanted
                    self.connected.set()
                    task_status.started()
                    task_status = trio.TASK_STATUS_IGNORED
                    await self._serve(websocket)
            except InvalidStatus:
                self.refused += 1
                self.wanted = self.profile
                await trio.sleep(0.5)
            except (ConnectionClosed, OSError, trio.BrokenResourceError):
                await trio.sleep(0.2)

    def _connect(self, profile: int) -> connect:
        headers = {}
        if profile in {1, 2}:
            joined = self.id.encode() + b":" + (self.password or b"")
            headers["Authorization"] = "Basic " + b64encode(joined).decode()
        scheme = "ws" if profile == 1 else "wss"
        return connect(
            self.running.url(self.id, scheme=scheme),
            ssl=self._tls(profile) if scheme == "wss" else None,
            subprotocols=["ocpp1.6"],  # type: ignore[list-item]
            additional_headers=headers,
            open_timeout=GENEROUS_S,
            compression=None,
        )

    def _tls(self, profile: int) -> ssl.SSLContext:
        context = ssl.create_default_context(cafile=self.running.ca_file)
        if profile == 3:
            with tempfile.TemporaryDirectory() as directory:
                chain, key = Path(directory, "chain.pem"), Path(directory, "key.pem")
                chain.write_text(self.chain)
                key.write_bytes(
                    self.key.private_bytes(
                        serialization.Encoding.PEM,
                        serialization.PrivateFormat.PKCS8,
                        serialization.NoEncryption(),
                    )
                )
                context.load_cert_chain(chain, key)
        return context

    async def _serve(self, websocket: ClientConnection) -> None:
        await self._call(
            websocket,
            "BootNotification",
            {"chargePointVendor": "Test", "chargePointModel": "Secure", "chargePointSerialNumber": self.id},
        )
        while True:
            frame = json.loads(await websocket.recv())
            if frame[0] != 2:
                continue
            _, message, action, payload = frame
            await websocket.send(json.dumps([3, message, self._answer(action, payload)]))
            if action == "ExtendedTriggerMessage":
                await self._call(websocket, "SignCertificate", {"csr": self._signing_request()})
            if self._restart:
                self._restart = False
                self.connected = trio.Event()
                return

    def _answer(self, action: str, payload: Json) -> Json:
        if action == "ChangeConfiguration" and payload["key"] == "AuthorizationKey":
            self.password = bytes.fromhex(payload["value"])
        elif action == "ChangeConfiguration" and payload["key"] == "SecurityProfile":
            if int(payload["value"]) <= self.profile or (payload["value"] == "3" and not self.chain):
                return {"status": "Rejected"}
            self.wanted = int(payload["value"])
        elif action == "CertificateSigned":
            self.chain = payload["certificateChain"]
        elif action == "Reset":
            self._restart = True
        return _ACCEPTED

    async def _call(self, websocket: ClientConnection, action: str, payload: Json) -> None:
        """Send a call. Its answer is read and ignored by `_serve`."""
        self._calls += 1
        await websocket.send(json.dumps([2, f"{self.id}-{self._calls}", action, payload]))

    def _signing_request(self) -> str:
        subject = x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, self.id)])
        request = x509.CertificateSigningRequestBuilder().subject_name(subject)
        return request.sign(self.key, hashes.SHA256()).public_bytes(serialization.Encoding.PEM).decode()
