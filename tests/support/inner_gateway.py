"""A gateway in the test's own process: it listens and serves, without inbox and housekeeping."""

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from functools import partial
from typing import NamedTuple

import msgspec
import trio

from gateway.admission.delays import Delays
from gateway.admission.handshake import handle
from gateway.admission.rate import Rate
from gateway.admission.serving import Admission
from gateway.admission.takeover import Takeovers
from gateway.config import GatewayConfig
from gateway.hub import Hub
from gateway.node import Node
from gateway.service.attempts import Attempts
from gateway.websocket.listeners import open_listeners
from gateway.websocket.server import serve
from state.store import Store
from state.tenants import tenants, tokens

PEPPER = "pepper" * 8


class InnerGateway(NamedTuple):
    """The id of a charge point is appended to `url`. The tenant `t` registers every charge point id."""

    node: Node
    hub: Hub
    url: str


@asynccontextmanager
async def inner_gateway(
    store: Store,
    redis_url: str,
    *,
    failures: int = 9,
    of_address: int | None = None,
    rate: Rate | None = None,
) -> AsyncIterator[InnerGateway]:
    """`failures` is the number of failed authentications that an address has for each id.

    `of_address` is the number that it has for all ids, which is by default the same.
    """
    config = {"store": {"url": redis_url}, "security": {"pepper": PEPPER}}
    await tenants.put(store, "t", name="t", auto_register=True)
    token = await tokens.create(store, PEPPER.encode(), "t")
    async with trio.open_nursery() as nursery:
        node, hub = Node(msgspec.convert(config, GatewayConfig), store, PEPPER.encode(), nursery), Hub()
        attempts = Attempts(per_address=of_address or failures, per_name=failures)
        delays = Delays(attempts, node.telemetry)
        admission = Admission(node, hub, attempts, Takeovers(node, hub), rate or Rate(0, 1_000), delays)
        [listener] = open_listeners("127.0.0.1", 0)
        await nursery.start(partial(serve, [listener], handle=partial(handle, admission)))
        yield InnerGateway(node, hub, f"ws://127.0.0.1:{listener.getsockname()[1]}/OCPP16/t/{token.secret}")
        nursery.cancel_scope.cancel()
