"""`csms refusals` prints the handshakes that csms refused, with the reasons."""

from collections.abc import Awaitable, Callable
from typing import Annotated, Any

import httpx
import msgspec
import trio
from cyclopts import Parameter

from admin.cli.api import times
from admin.cli.api.client import Client, with_server
from admin.cli.api.errors import Refused, TryAgain
from admin.cli.api.options import BOUNDS, DEFAULT, Bounds, Form, Options
from admin.cli.api.output import clean, print_event, print_json, warn, write_line

_POLL_S = 2.0
_OF_TENANT = "/v1/tenants/{tenant}/refusals"
_HEAD = ("last_at", "tenant", "charge_point", "address", "reason")
_SENTENCES = ("detail", "meaning", "remedy")


def refusals(
    *,
    charge_point: str | None = None,
    reason: str | None = None,
    address: str | None = None,
    since: str | None = None,
    unknown: Annotated[bool, Parameter(negative=())] = False,
    follow: Annotated[bool, Parameter(negative=())] = False,
    bounds: Bounds = BOUNDS,
    options: Options = DEFAULT,
) -> None:
    """Print the handshakes that csms refused, the latest first. Needs the admin API.

    Parameters
    ----------
    charge_point
        Print only the refused handshakes that gave this id. It need not be registered.
    reason
        Print only the handshakes that csms refused for this reason, such as `wrong_token`.
    address
        Print only handshakes from this network address.
    since
        Print only the refusals that happened at this time or later, at least once. A day such as 2026-11-01
        means its beginning in UTC.
    unknown
        Print the refused handshakes that concern no known tenant. Only an API key for all tenants may read
        them.
    follow
        Go on until Ctrl-C, and print each refusal that is new or happened again.
    """

    async def work(client: Client) -> None:
        query = {
            "charge_point": charge_point,
            "reason": reason,
            "address": address,
            "since": times.read("--since", since),
        }

        async def read() -> list[dict[str, Any]]:
            return await _read(client, bounds, query, unknown=unknown)

        await print_refusals(read, options.output, endless=follow)

    with_server("refusals", options, work)


async def print_refusals(
    read: Callable[[], Awaitable[list[dict[str, Any]]]], form: Form, *, endless: bool
) -> None:
    """Print the list, and then each item that is new or has changed."""
    found = await read()
    for item in found:
        _print(form, item)
    if form == "table" and not found:
        write_line("none")
    while endless:
        known = {msgspec.json.encode(item) for item in found}
        await trio.sleep(_POLL_S)
        try:
            found = await read()
        except TryAgain as error:
            warn(f"{error}; trying again")
            continue
        for item in reversed(found):
            if msgspec.json.encode(item) not in known:
                _print(form, item)


def _print(form: Form, item: dict[str, Any]) -> None:
    """Print one refusal: as JSON, or as a line with its sentences below it.

    A table as wide as a terminal would cut the reason and break the sentences into single words.
    """
    if form == "json":
        print_json(item)
        return
    times = "once" if item["times"] == 1 else f"{item['times']} times since {item['first_at']}"
    print_event(form, (*_HEAD, "times"), {**item, "times": times})
    for name in _SENTENCES:
        if item[name]:
            write_line(f"    {name}: {clean(item[name])}")


async def _read(
    client: Client, bounds: Bounds, query: dict[str, Any], *, unknown: bool
) -> list[dict[str, Any]]:
    path = "/v1/refusals" if unknown else client.of_tenant("refusals")
    try:
        return [item async for item in client.read_list(path, bounds, **query)]
    except Refused as error:
        if error.status == httpx.codes.NOT_FOUND and not unknown:
            await client.refuse_if_old(_OF_TENANT)
        raise
