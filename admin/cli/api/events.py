"""`csms events` prints the events of a tenant as they happen, and goes on after a break."""

from contextlib import aclosing
from pathlib import Path
from typing import Annotated, Any

import msgspec
from cyclopts import Parameter

from admin.cli.api.client import Client, with_server
from admin.cli.api.options import DEFAULT, Options
from admin.cli.api.output import print_event, warn
from admin.cli.api.sse import Seen
from admin.cli.api.sse import follow as follow_stream
from admin.cli.failures import CommandRefused
from state.durable import write_private

_COLUMNS = ("at", "kind", "charge_point", "data")
_CURSOR_MAX = 8_000


def events(
    *,
    follow: Annotated[bool, Parameter(negative=())] = False,
    resume_file: Path | None = None,
    kind: Annotated[tuple[str, ...], Parameter(negative=())] = (),
    charge_point: str | None = None,
    options: Options = DEFAULT,
) -> None:
    """Print the events of a tenant. Needs the admin API.

    If the connection breaks, the command connects again and goes on where it was. An event may come twice
    after a restart of the command, so programs ignore an `id` that they have seen. An item with the kind
    `gap` means that events are missing because csms no longer keeps them.

    Parameters
    ----------
    follow
        Go on until Ctrl-C. Without --follow, the command ends when it has printed what happened since its
        last run with the same --resume-file.
    resume_file
        The command keeps its place in this file, and begins there the next time. csms keeps events for six
        hours. The first run begins with the next event.
    kind
        Print only events of this kind, such as `transaction.stopped`. Give the option once for each kind. A
        name such as `transaction` means all kinds that begin with `transaction.`.
    charge_point
        Print only events of this charge point.
    """

    async def work(client: Client) -> None:
        if not follow and resume_file is None:
            raise CommandRefused(
                "give --follow to wait for events, or --resume-file to print those since a run"
            )
        # A kind that ends with a dot is the beginning of kinds, which the API writes without the dot.
        kinds = ",".join(one.removesuffix(".") for one in kind) or None
        query = {"kind": kinds, "charge_point": charge_point, "follow": None if follow else False}
        await _print(client, options, query, resume_file)

    with_server("events", options, work)


async def _print(client: Client, options: Options, query: dict[str, Any], resume_file: Path | None) -> None:
    cursor = "" if resume_file is None else _read_cursor(resume_file)
    seen = Seen()
    async with aclosing(follow_stream(client, client.of_tenant("events"), cursor, **query)) as blocks:
        async for block in blocks:
            if block.id and resume_file is not None:
                # A cursor stands for all events before its block.
                write_private(resume_file, block.id.encode())
            if block.data:
                event: dict[str, Any] = msgspec.json.decode(block.data, type=dict[str, Any])
                if block.kind == "end" and event.get("complete"):
                    return
                _print_event(options, seen, block.kind, event)


def _print_event(options: Options, seen: Seen, kind: str, event: dict[str, Any]) -> None:
    match kind:
        case "end":
            warn(f"the server ended the stream: {event.get('reason')}")
        case "gap":
            print_event(options.output, ("kind", "reason"), {"kind": "gap", **event})
        case _ if seen.add(str(event.get("id"))):
            print_event(options.output, _COLUMNS, event)


def _read_cursor(file: Path) -> str:
    try:
        cursor = file.read_text("ascii").strip()
    except FileNotFoundError:
        return ""
    except UnicodeDecodeError:
        cursor = " "
    if len(cursor) > _CURSOR_MAX or not cursor.isprintable() or " " in cursor:
        raise CommandRefused(
            f"{file} holds no place in a stream; name the file of an earlier run, or a new one"
        )
    return cursor
