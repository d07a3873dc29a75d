"""`csms trace` records the frames of a charge point, and prints them."""

from contextlib import aclosing
from typing import Annotated, Any, Literal

import msgspec
from cyclopts import App, Parameter
from cyclopts.validators import Number

from admin.cli.api.client import Client, with_server
from admin.cli.api.options import BOUNDS, DEFAULT, Bounds, Options
from admin.cli.api.output import print_document, print_event, warn
from admin.cli.api.sse import follow as follow_stream

app = App(name="trace", help="Record the frames of a charge point, and print them. Needs the admin API.")

_COLUMNS = ("at", "direction", "mark", "frame", "note", "faults")

type Direction = Literal["in", "out"]


@app.command
def start(
    charge_point: str,
    *,
    minutes: Annotated[int, Parameter(validator=Number(gte=1))] = 10,
    frames: Annotated[int, Parameter(validator=Number(gte=1))] = 2000,
    options: Options = DEFAULT,
) -> None:
    """Start to record. The new trace replaces the previous one of the charge point.

    Parameters
    ----------
    charge_point
        The id of the charge point. If it is offline, recording begins with its next connection.
    minutes
        The greatest number of minutes that the trace lasts.
    frames
        The greatest number of frames that the trace records.
    """

    async def work(client: Client) -> None:
        body = {"minutes": minutes, "frames": frames}
        started = await client.ask("PUT", _path(client, charge_point), body=body)
        print_document(options.output, started.json())

    with_server("trace start", options, work)


@app.command
def show(charge_point: str, *, options: Options = DEFAULT) -> None:
    """Show the state of the trace of a charge point, without its frames."""

    async def work(client: Client) -> None:
        print_document(options.output, await client.get(_path(client, charge_point)))

    with_server("trace show", options, work)


@app.command
def stop(charge_point: str, *, options: Options = DEFAULT) -> None:
    """Stop to record. csms keeps the frames for 24 hours."""

    async def work(client: Client) -> None:
        print_document(options.output, (await client.ask("DELETE", _path(client, charge_point))).json())

    with_server("trace stop", options, work)


@app.command
def frames(
    charge_point: str,
    *,
    direction: Direction | None = None,
    action: str | None = None,
    bounds: Bounds = BOUNDS,
    options: Options = DEFAULT,
) -> None:
    """Print the recorded frames, the oldest first.

    Parameters
    ----------
    charge_point
        The id of the charge point.
    direction
        Print only frames from the charge point (`in`) or to it (`out`).
    action
        Print only calls of this OCPP action, and the answers to them.
    """

    async def work(client: Client) -> None:
        path = _path(client, charge_point, "frames")
        async for frame in client.read_list(path, bounds, direction=direction, action=action):
            print_event(options.output, _COLUMNS, frame)

    with_server("trace frames", options, work)


@app.command
def follow(charge_point: str, *, options: Options = DEFAULT) -> None:
    """Print the trace from its beginning, and each new frame until the trace ends."""

    async def work(client: Client) -> None:
        path = _path(client, charge_point, "stream")
        entries_since_end = False
        async with aclosing(follow_stream(client, path, "")) as blocks:
            async for block in blocks:
                if not block.data:
                    continue
                content: dict[str, Any] = msgspec.json.decode(block.data, type=dict[str, Any])
                if block.kind != "end":
                    entries_since_end = True
                    print_event(options.output, _COLUMNS, content)
                    continue
                warn(f"the server ended the stream: {content.get('reason')}")
                # A stream that ended for another reason may have left entries, so it is read to its end.
                if not entries_since_end and await _is_over(client, charge_point):
                    return
                entries_since_end = False

    with_server("trace follow", options, work)


async def _is_over(client: Client, charge_point: str) -> bool:
    return (await client.get(_path(client, charge_point)))["ended_at"] is not None


def _path(client: Client, charge_point: str, *more: str) -> str:
    return client.of_tenant("charge-points", charge_point, "trace", *more)
