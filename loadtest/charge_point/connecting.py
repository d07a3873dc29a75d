"""How the charge points of a process connect, and what they share for that: addresses and TLS contexts."""

import os
import socket
import ssl
from collections.abc import Callable
from typing import NamedTuple

import trio

from gateway.websocket.client import NoUpgrade, UpgradeRefused
from gateway.websocket.light_client import (
    Address,
    Endpoint,
    LightConnection,
    Step,
    connect_light,
    resolve,
)
from gateway.websocket.socket_stream import StartSoon
from loadtest.charge_point.fault_changes import Handshake
from loadtest.charge_point.faults import Faults

ADDRESSES_S = 30.0
"""Time for which the addresses of a host are kept."""
FAILURES = (UpgradeRefused, OSError, ssl.SSLError, trio.TooSlowError)
"""Exceptions of a connection that could not be opened."""


class Access(NamedTuple):
    """What a charge point connects with: its URL, and what its security profile needs.

    `tls` is None for ws. Charge points without a client certificate share one context.
    """

    url: str
    tls: ssl.SSLContext | None = None
    headers: tuple[tuple[str, str], ...] = ()
    source_address: str | None = None


class Connector:
    """Opens connections. The host is looked up once in 30 s, not once for each connection of a storm."""

    def __init__(self, access: Callable[[int, str], Access], start_soon: StartSoon, within_s: float) -> None:
        """`access` gets the number and the id of a charge point. `within_s` bounds each try."""
        self._access = access
        self._start_soon = start_soon
        self._within_s = within_s
        self._addresses: dict[str, tuple[float, tuple[Address, ...]]] = {}

    async def connect(
        self,
        index: int,
        id_: str,
        faults: Faults | None,
        session: ssl.SSLSession | None,
        on_step: Callable[[Step, float], None],
    ) -> LightConnection:
        """Open the connection of a charge point, within the time. Raises one of FAILURES.

        `session` is a TLS session to resume, or None.
        """
        access = self._access(index, id_)
        handshake = Handshake(access.url) if faults is None else faults.handshake(access.url)
        with trio.fail_after(self._within_s):
            endpoint = Endpoint(
                handshake.url,
                await self._look_up(access.url),
                access.tls,
                handshake.subprotocols,
                access.headers + handshake.headers,
                access.source_address,
                session,
            )
            return await connect_light(endpoint, self._start_soon, on_step=on_step)

    async def _look_up(self, url: str) -> tuple[Address, ...]:
        host = url.partition("://")[2].partition("/")[0].rpartition("@")[2]
        known = self._addresses.get(host)
        if known is None or known[0] <= trio.current_time():
            known = trio.current_time() + ADDRESSES_S, await resolve(url)
            self._addresses[host] = known
        return known[1]


def describe_failure(error: Exception) -> str:
    """Return few words that are the same for all failures of a kind, because they are counted."""
    match error:
        case NoUpgrade():
            words = "the answer was no upgrade to a websocket with ocpp1.6"
        case UpgradeRefused():
            words = f"refused {error.status}" if error.status else "refused without an answer"
        case ssl.SSLCertVerificationError():
            words = f"the certificate is not trusted: {error.verify_message}"
        case ssl.SSLError():
            words = f"TLS: {error.reason or 'failed'}"
        case trio.TooSlowError():
            words = "no connection in time"
        case socket.gaierror():
            words = f"the host has no address: {error.strerror}"
        case OSError(errno=int() as number):  # Its text may have the address.
            words = f"no connection: {os.strerror(number)}"
        case _:
            words = f"no connection: {type(error).__name__}"
    return words
