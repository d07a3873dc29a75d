"""`csms charge-points`: list and show charge points, say what troubles them, and disconnect them."""

from typing import Annotated, Literal

import httpx
from cyclopts import App, Parameter

from admin.cli.api.client import Client, with_server
from admin.cli.api.errors import NotDone, Refused
from admin.cli.api.options import BOUNDS, DEFAULT, Bounds, Options
from admin.cli.api.output import print_document, print_list, write_line
from admin.cli.failures import CommandRefused

app = App(name="charge-points", help="List and show charge points, and disconnect them. Needs the admin API.")

_COLUMNS = {
    "id": "id",
    "online": "connection.online",
    "since": "connection.since",
    "last seen": "connection.last_seen",
    "boot": "boot.status",
    "vendor": "boot.data.chargePointVendor",
    "model": "boot.data.chargePointModel",
    "description": "description",
}
_WITH_TROUBLES = {**_COLUMNS, "troubles": "troubles.kind"}
"""The server shows the troubles only in a list of charge points that have some."""
_NEVER = (
    "See whether it was refused with `csms refusals`, and with `csms refusals --unknown`, because a charge "
    "point whose TLS fails does not say its id."
)
_OVERVIEW = "/v1/tenants/{tenant}/overview"

type BootStatus = Literal["Accepted", "Pending", "Rejected"]


@app.command(name="list")
def list_(
    *,
    online: Annotated[bool | None, Parameter(negative="--offline")] = None,
    boot_status: BootStatus | None = None,
    prefix: str | None = None,
    trouble: str | None = None,
    bounds: Bounds = BOUNDS,
    options: Options = DEFAULT,
) -> None:
    """List charge points, sorted by id.

    Parameters
    ----------
    online
        List only charge points that are connected now. `--offline` lists only the others.
    boot_status
        List only charge points whose last BootNotification got this answer.
    prefix
        List only charge points whose id begins with this text.
    trouble
        List only charge points that have this kind of trouble now, such as `offline`, or `any`.
    """

    async def work(client: Client) -> None:
        found = client.read_list(
            client.of_tenant("charge-points"),
            bounds,
            online=online,
            boot_status=boot_status,
            prefix=prefix,
            trouble=trouble,
        )
        await print_list(options.output, _COLUMNS if trouble is None else _WITH_TROUBLES, found)

    with_server("charge-points list", options, work)


@app.command
def show(charge_point: str, *, options: Options = DEFAULT) -> None:
    """Show a charge point: its settings, last boot, connection and connectors.

    Parameters
    ----------
    charge_point
        The id of the charge point, as `csms charge-points list` shows it.
    """

    async def work(client: Client) -> None:
        print_document(options.output, await client.get(client.of_tenant("charge-points", charge_point)))

    with_server("charge-points show", options, work)


@app.command
def troubles(charge_point: str | None = None, *, options: Options = DEFAULT) -> None:
    """Say what troubles a charge point and what to do, or which charge points need somebody now.

    Parameters
    ----------
    charge_point
        The id of the charge point. Without it, the command prints an overview of the tenant.
    """

    async def work(client: Client) -> None:
        if charge_point is None:
            await _print_overview(client, options)
            return
        found = await client.get(client.of_tenant("charge-points", charge_point))
        if "troubles" not in found:
            raise CommandRefused(
                f"the server at {client.server.url} is too old for this: it does not say what troubles a "
                "charge point"
            )
        if found["troubles"] or options.output == "json":
            print_document(options.output, {"charge_point": charge_point, "troubles": found["troubles"]})
        elif found["connection"]["since"] is None:
            write_line(f"{charge_point} has never connected. {_NEVER}")
        else:
            write_line(f"nothing troubles {charge_point}")

    with_server("charge-points troubles", options, work)


@app.command
def disconnect(charge_point: str, *, options: Options = DEFAULT) -> None:
    """Close the connection of a charge point. The charge point may connect again at once.

    Parameters
    ----------
    charge_point
        The id of the charge point, as `csms charge-points list` shows it.
    """

    async def work(client: Client) -> None:
        try:
            done = await client.ask("POST", client.of_tenant("charge-points", charge_point, "disconnect"))
        except Refused as error:
            if error.kind == "offline":
                raise NotDone(f"{charge_point} is offline, so there is no connection to close") from None
            raise
        if options.output == "json":
            print_document("json", done.json())
        else:
            write_line(f"the gateway closes the connection of {charge_point}")

    with_server("charge-points disconnect", options, work)


async def _print_overview(client: Client, options: Options) -> None:
    path = client.of_tenant("overview")
    try:
        found = await client.get(path)
    except Refused as error:
        if error.status == httpx.codes.NOT_FOUND:
            await client.refuse_if_old(_OVERVIEW)
        raise
    print_document(options.output, found)
