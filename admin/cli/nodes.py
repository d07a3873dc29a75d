"""`csms nodes` lists the processes of the system, and drains gateways, directly in the store."""

from datetime import UTC, datetime
from typing import Annotated, Any

import msgspec
import trio
from cyclopts import App, Parameter
from cyclopts.validators import Number
from rich.console import Console
from rich.table import Column, Table

from admin.cli.api_keys import Config, with_store
from admin.cli.failures import CommandRefused
from state.nodes import nodes, orders
from state.nodes.inbox import Drain, DrainCancelled, Shed, ToGateway
from state.store import Store

app = App(
    name="nodes",
    help="""List the gateway and admin processes, and move the sessions of gateways.

The command works directly on the store, like `csms api-key`, and uses the configuration of `csms admin`. The
admin API has the same under `/v1/nodes`.
""",
)

_WATCH_S = 4.0
"""A little more than the time between two heartbeats."""
_REFUSALS = {
    "unknown": "there is no node {}; csms nodes list shows the ids",
    "not_a_gateway": "{} is an admin process, and only gateways have sessions",
    "too_old": "the release of {} does not know this order; send the process SIGTERM instead",
    "away": "{} does not answer, so nothing was done",
}

type WindowS = Annotated[float | None, Parameter(validator=Number(gte=0, lte=86_400))]


@app.command(name="list")
def list_(*, json: Annotated[bool, Parameter(negative=())] = False, config: Config = None) -> None:
    """List the processes. This takes 4 s, to see which of them send heartbeats.

    Parameters
    ----------
    json
        Print one JSON object on each line, for programs. It has more members than the table has columns.
    """

    async def work(store: Store, _pepper: bytes) -> None:
        before = {one.incarnation: one.counter for one in await nodes.list_nodes(store)}
        await trio.sleep(_WATCH_S)
        table = Table(Column("id", no_wrap=True), "kind", "host", "heard", "sessions", "draining", "lag")
        for one in await nodes.list_nodes(store):
            heard = one.counter != before.get(one.incarnation)
            if json:
                print(msgspec.json.encode(_members(one, heard=heard)).decode())  # noqa: T201  the purpose
            else:
                table.add_row(*_row(one, heard=heard))
        if not json:
            Console().print(table)

    with_store(config, "nodes list", work)


@app.command
def drain(node: str, *, window_s: WindowS = None, config: Config = None) -> None:
    """Let a gateway refuse new sessions and close all open ones. The process lives on, empty and not ready.

    Parameters
    ----------
    node
        The id of the gateway, as `csms nodes list` shows it.
    window_s
        The number of seconds over which the gateway spreads its CLOSE frames. By default, this is the
        gateway's setting `drain.window_s`.
    """
    _order(config, "drain", node, Drain(window_s))


@app.command
def cancel_drain(node: str, *, config: Config = None) -> None:
    """Let a drained gateway accept sessions again. This also ends a shedding.

    Parameters
    ----------
    node
        The id of the gateway, as `csms nodes list` shows it.
    """
    _order(config, "cancel-drain", node, DrainCancelled())


@app.command
def shed(
    node: str,
    *,
    percent: Annotated[float, Parameter(validator=Number(gte=1, lte=100))],
    window_s: WindowS = None,
    config: Config = None,
) -> None:
    """Let a gateway close a share of its sessions, so that they connect again, perhaps elsewhere.

    Parameters
    ----------
    node
        The id of the gateway, as `csms nodes list` shows it.
    percent
        The share of the open sessions, in percent.
    window_s
        The number of seconds over which the gateway spreads its CLOSE frames. By default, this is the
        gateway's setting `drain.window_s`.
    """
    _order(config, "shed", node, Shed(percent, window_s))


def _order(config: Config, command: str, node: str, order: ToGateway) -> None:
    async def work(store: Store, _pepper: bytes) -> None:
        outcome = await orders.send(store, node, order)
        if outcome != "sent":
            raise CommandRefused(_REFUSALS[outcome].format(node))
        print(f"{node} got the order; csms nodes list shows how it goes on")  # noqa: T201  the purpose

    with_store(config, f"nodes {command}", work)


def _members(one: nodes.NodeState, *, heard: bool) -> dict[str, Any]:
    """Return what is known of a node, under the names that the admin API uses for it."""
    record = one.node
    if record is None:
        return {"id": one.incarnation, "heard": heard}
    members = msgspec.structs.asdict(record)
    del members["status"], members["started_ms"]
    since = datetime.fromtimestamp(record.started_ms / 1000, UTC)
    status = {} if record.status is None else msgspec.structs.asdict(record.status)
    return {"id": one.incarnation, **members, "since": since, "heard": heard, **status}


def _row(one: nodes.NodeState, *, heard: bool) -> list[str]:
    record, said = one.node, "yes" if heard else "no"
    if record is None:
        return [one.incarnation, "?", "?", said, "", "", ""]
    shown = [one.incarnation, record.kind, record.host, said]
    status = record.status
    if status is None or record.kind != "gateway":
        return [*shown, "", "", ""]
    return [*shown, str(status.sessions), "yes" if status.draining else "no", f"{status.lag_ms:g} ms"]
