"""`csms transactions`: list, show, export and end transactions."""

from dataclasses import dataclass
from pathlib import Path
from typing import Annotated, Any, Literal

from cyclopts import App, Parameter

from admin.cli.api import times
from admin.cli.api.client import Client, with_server
from admin.cli.api.options import BOUNDS, DEFAULT, Bounds, Options
from admin.cli.api.output import print_document, print_list
from admin.cli.api.transaction_export import export_completed, export_list
from admin.cli.failures import CommandRefused

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


@Parameter(name="*")
@dataclass(frozen=True)
class Filters:
    """Which transactions a command takes."""

    charge_point: Annotated[str | None, Parameter(help="Only transactions of this charge point.")] = None
    id_tag: Annotated[str | None, Parameter(help="Only transactions that this id tag started.")] = None
    open: Annotated[
        bool | None,
        Parameter(
            negative="--finished",
            help="Only open transactions. `--finished` takes only those that were stopped or ended.",
        ),
    ] = None
    by: Annotated[
        Literal["start", "stop", "receipt"] | None,
        Parameter(
            help="The time that --since and --until mean: when the transaction started (the default), when "
            "it stopped, or when csms received its stop. With `stop` and `receipt`, the transactions are in "
            "the order in which they were completed."
        ),
    ] = None
    since: Annotated[
        str | None,
        Parameter(
            help="Only transactions at or after this time. A day such as 2026-11-01 means its beginning in "
            "UTC."
        ),
    ] = None
    until: Annotated[str | None, Parameter(help="Only transactions before this time.")] = None

    @property
    def query(self) -> dict[str, Any]:
        """Raises CommandRefused."""
        return {
            "charge_point": self.charge_point,
            "id_tag": self.id_tag,
            "open": self.open,
            "by": self.by,
            "since": times.read("--since", self.since),
            "until": times.read("--until", self.until),
        }

    @property
    def query_of_completed(self) -> dict[str, Any]:
        """Raises CommandRefused."""
        if any(of is not None for of in (self.open, self.by, self.since, self.until)):
            raise CommandRefused(
                "with --resume-file, an export has all that was completed since the last run; leave out "
                "--open, --finished, --by, --since and --until"
            )
        return {"charge_point": self.charge_point, "id_tag": self.id_tag}


_ALL = Filters()


@app.command(name="list")
def list_(*, filters: Filters = _ALL, bounds: Bounds = BOUNDS, options: Options = DEFAULT) -> None:
    """List transactions, the latest start first."""

    async def work(client: Client) -> None:
        found = client.read_list(client.of_tenant("transactions"), bounds, **filters.query)
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
    resume_file: Path | None = None,
    filters: Filters = _ALL,
    options: Options = DEFAULT,
) -> None:
    """Write transactions as CSV, the latest start first. With `--output json`, write one object a line.

    With --resume-file, write the transactions that were completed since the last run, in the order in which
    they were completed. So several runs have each transaction once, and again with a higher revision if it
    has changed.

    The file appears only when it is complete. If the connection breaks, the command begins the file again. If
    stdout was written, look at the exit code.

    Parameters
    ----------
    file
        The file to write. Without it, the command writes to stdout.
    resume_file
        The command keeps its place in this file, and begins there the next time. The first run begins with
        the transaction that was completed first. Needs --file with a new name.
    """

    async def work(client: Client) -> None:
        if resume_file is None:
            await export_list(client, filters.query, options.output, file)
        elif file is None:
            raise CommandRefused("--resume-file needs --file, because only a file is complete or not there")
        else:
            await export_completed(client, filters.query_of_completed, options.output, file, resume_file)

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
