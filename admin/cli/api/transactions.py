"""`csms transactions`: list, show, export and end transactions."""

import csv
from pathlib import Path
from typing import Annotated, Any

import msgspec
from cyclopts import App, Parameter

from admin.cli.api import times
from admin.cli.api.client import Client, with_server
from admin.cli.api.files import open_result
from admin.cli.api.options import BOUNDS, DEFAULT, Bounds, Options
from admin.cli.api.output import find, print_document, print_list, warn

app = App(
    name="transactions", help="List and show transactions, export them, and end one. Needs the admin API."
)

_COLUMNS = {
    "id": "id",
    "state": "state",
    "connector": "connector_id",
    "id tag": "id_tag",
    "started": "started_at",
    "stopped": "stopped_at",
    "Wh": "energy_wh",
    "reason": "reason",
}
_EXPORTED = (
    *("id", "charge_point", "connector_id", "id_tag", "state", "started_at", "meter_start"),
    *("stopped_at", "meter_stop", "stop_id_tag", "reason", "ended.at", "ended.meter", "energy_wh"),
    *("reservation_id", "contradicting_stops"),
)

type Open = Annotated[bool | None, Parameter(name="--open", negative="--finished")]


@app.command(name="list")
def list_(
    *,
    charge_point: str | None = None,
    open_: Open = None,
    since: str | None = None,
    until: str | None = None,
    bounds: Bounds = BOUNDS,
    options: Options = DEFAULT,
) -> None:
    """List transactions, the latest start first.

    Parameters
    ----------
    charge_point
        List only transactions of this charge point.
    open_
        List only open transactions. `--finished` lists only those that were stopped or ended.
    since
        List only transactions that started at or after this time. A day such as 2026-11-01 means its
        beginning in UTC.
    until
        List only transactions that started before this time.
    """

    async def work(client: Client) -> None:
        query = _query(charge_point, since, until, open_=open_)
        found = client.read_list(client.of_tenant("transactions"), bounds, **query)
        await print_list(options.output, _COLUMNS, found)

    with_server("transactions list", options, work)


@app.command
def show(transaction: str, *, options: Options = DEFAULT) -> None:
    """Show a transaction.

    Parameters
    ----------
    transaction
        The id of the transaction, `<charge point>.<n>`, as `csms transactions list` shows it.
    """

    async def work(client: Client) -> None:
        print_document(options.output, await client.get(client.of_tenant("transactions", transaction)))

    with_server("transactions show", options, work)


@app.command
def export(
    *,
    file: Path | None = None,
    charge_point: str | None = None,
    open_: Open = None,
    since: str | None = None,
    until: str | None = None,
    options: Options = DEFAULT,
) -> None:
    """Write transactions as CSV, the latest start first. With `--output json`, write one object a line.

    The file appears only when it is complete. If stdout was written, look at the exit code.

    Parameters
    ----------
    file
        The file to write. Without it, the command writes to stdout.
    charge_point
        Export only transactions of this charge point.
    open_
        Export only open transactions. `--finished` exports only those that were stopped or ended.
    since
        Export only transactions that started at or after this time. A day such as 2026-11-01 means its
        beginning in UTC.
    until
        Export only transactions that started before this time.
    """

    async def work(client: Client) -> None:
        query = _query(charge_point, since, until, open_=open_)
        number = 0
        with open_result(file) as result:
            rows = csv.writer(result)
            if options.output == "table":
                rows.writerow(_EXPORTED)
            async for one in client.read_list(client.of_tenant("transactions"), Bounds(all=True), **query):
                number += 1
                if options.output == "table":
                    rows.writerow(find(one, name) for name in _EXPORTED)
                else:
                    result.write(msgspec.json.encode(one).decode() + "\n")
        if file is not None:
            warn(f"wrote {number} transactions to {file}")

    with_server("transactions export", options, work)


@app.command
def end(
    transaction: str,
    *,
    meter: int | None = None,
    at: str | None = None,
    force: Annotated[bool, Parameter(negative=())] = False,
    options: Options = DEFAULT,
) -> None:
    """End an open transaction whose StopTransaction does not come. csms sends the charge point nothing.

    Parameters
    ----------
    transaction
        The id of the transaction, as `csms transactions list --open` shows it.
    meter
        The meter reading at the end, in Wh. By default, csms takes the last one of the meter values.
    at
        The time of the end. By default, csms takes the time of the last meter values.
    force
        End the transaction although its charge point is online and reports that it charges.
    """

    async def work(client: Client) -> None:
        body = {"meter": meter, "at": times.read("--at", at), "force": force or None}
        given = {name: of for name, of in body.items() if of is not None}
        ended = await client.ask("POST", client.of_tenant("transactions", transaction, "end"), body=given)
        print_document(options.output, ended.json())

    with_server("transactions end", options, work)


def _query(
    charge_point: str | None, since: str | None, until: str | None, *, open_: bool | None
) -> dict[str, Any]:
    return {
        "charge_point": charge_point,
        "open": open_,
        "since": times.read("--since", since),
        "until": times.read("--until", until),
    }
