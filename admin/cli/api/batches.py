"""`csms batches`: send one command to many charge points, and follow what becomes of it."""

from dataclasses import dataclass
from pathlib import Path
from typing import Annotated, Any, Literal

import httpx
import trio
from cyclopts import App, Group, Parameter
from cyclopts.validators import Number

from admin.cli.api.client import Client, with_server
from admin.cli.api.errors import NotDone, Refused, TryAgain
from admin.cli.api.options import BOUNDS, DEFAULT, Bounds, Options
from admin.cli.api.output import print_document, print_json, print_list, warn, write_line
from admin.cli.api.payloads import EMPTY, key_headers, read_payload
from admin.cli.failures import CommandRefused

app = App(name="batches", help="Send one command to many charge points, and follow it. Needs the admin API.")

_COLUMNS = {
    "id": "id",
    "phase": "phase",
    "action": "action",
    "total": "counts.total",
    "to do": "counts.to_do",
    "waiting": "counts.waiting",
    "accepted": "counts.accepted",
    "rejected": "counts.rejected",
    "offline": "counts.offline",
    "created": "created_at",
    "ended": "ended_at",
    "API key": "api_key",
}
_ITEM_COLUMNS = {
    "charge point": "charge_point",
    "outcome": "outcome",
    "detail": "detail",
    "command": "command",
    "ended": "ended_at",
}
_LIST = "/v1/tenants/{tenant}/batches"
_POLL_S = 1.0
_BEGIN_S = 180.0
"""How long the server may take to find the charge points. With 100,000, it takes several seconds."""
_COUNTS = ("to_do", "waiting", "accepted", "rejected", "call_error", "no_answer", "offline", "not_sent")
_REACH = Group("Charge points", sort_key=1)

type BootStatus = Literal["Accepted", "Pending", "Rejected"]
type Outcome = Literal[
    "to_do", "waiting", "accepted", "rejected", "call_error", "no_answer", "offline", "not_sent"
]


@Parameter(name="*", group=_REACH)
@dataclass(frozen=True)
class Reach:
    """Which charge points get the command. A charge point must pass each of the options."""

    all_charge_points: Annotated[
        bool, Parameter(negative=(), help="All charge points of the tenant. Excludes the other options.")
    ] = False
    online: Annotated[
        bool | None,
        Parameter(
            negative="--offline",
            help="Charge points that are connected now. `--offline` takes only the others.",
        ),
    ] = None
    boot_status: Annotated[
        BootStatus | None, Parameter(help="Charge points whose last BootNotification got this answer.")
    ] = None
    prefix: Annotated[str | None, Parameter(help="Charge points whose id begins with this text.")] = None
    trouble: Annotated[
        str | None, Parameter(help="Charge points that have this kind of trouble now, or `any`.")
    ] = None
    charge_point: Annotated[
        list[str] | None,
        Parameter(negative=(), help="The charge point with this id. Repeat the option for several of them."),
    ] = None
    charge_points_file: Annotated[
        Path | None, Parameter(help="The charge points whose ids are in this file, one on each line.")
    ] = None

    def as_filter(self) -> dict[str, Any]:
        """Return the filter as the API reads it. Raises CommandRefused."""
        given = {
            "online": self.online,
            "boot_status": self.boot_status,
            "prefix": self.prefix,
            "trouble": self.trouble,
            "charge_points": self._read_ids(),
        }
        found = {name: of for name, of in given.items() if of is not None}
        if bool(found) == self.all_charge_points:
            raise CommandRefused(
                "--all-charge-points excludes the other options; give one of the two"
                if found
                else "say which charge points get the command, for example with --prefix, or give "
                "--all-charge-points"
            )
        return found

    def _read_ids(self) -> list[str] | None:
        if self.charge_points_file is None:
            return self.charge_point
        lines = (line.strip() for line in self.charge_points_file.read_text().splitlines())
        return [*(self.charge_point or ()), *(line for line in lines if line)]


NOBODY = Reach()


@app.command
def start(
    action: str,
    payload: str = EMPTY,
    *,
    reach: Reach = NOBODY,
    payload_file: Path | None = None,
    per_second: Annotated[float, Parameter(validator=Number(gte=0.1, lte=100))] = 10,
    timeout: Annotated[float, Parameter(validator=Number(gte=1, lte=600))] = 30,
    when: Literal["now", "online"] = "now",
    online_within: Annotated[float | None, Parameter(validator=Number(gte=1, lte=2_592_000))] = None,
    idempotency_key: str | None = None,
    dry_run: Annotated[bool, Parameter(negative=())] = False,
    follow: Annotated[bool, Parameter(negative=())] = False,
    options: Options = DEFAULT,
) -> None:
    """Send an OCPP command to many charge points, paced.

    The batch runs in the server, so it goes on when this command ends. With --follow, the exit code is 0 if
    all charge points agreed, and otherwise 4.

    Parameters
    ----------
    action
        The OCPP action, such as `Reset`.
    payload
        The OCPP request as JSON, such as `'{"type": "Soft"}'`, which every charge point gets.
    payload_file
        A file with the OCPP request as JSON. `/dev/stdin` reads it from a pipe.
    per_second
        The greatest number of commands to send in a second.
    timeout
        The number of seconds within which each charge point must answer.
    when
        With `online`, the commands for charge points that are offline wait until these are online.
    online_within
        The number of seconds for which a command with `--when online` waits for its charge point. By default,
        this is 86400, a day.
    idempotency_key
        With the same key and options, csms begins the batch only once, so that you can repeat this command
        safely.
    dry_run
        Begin nothing, but say how many charge points the batch would reach, and which are the first 100.
    follow
        Show the progress until the batch has ended. Ctrl-C ends only this command, and not the batch.
    """

    async def work(client: Client) -> None:
        body = {
            "action": action,
            "payload": read_payload(payload, payload_file),
            "filter": reach.as_filter(),
            "per_second": per_second,
            "timeout": timeout,
            "when": when,
            "online_within": online_within,
        }
        response = await _ask(
            client,
            "POST",
            client.of_tenant("batches"),
            body=body,
            headers=key_headers(idempotency_key),
            timeout_s=_BEGIN_S,
            dry_run=dry_run or None,
        )
        answer = response.json()
        if dry_run:
            _print_preview(options, answer)
        elif follow:
            await _follow(client, options, answer)
        else:
            print_document(options.output, answer)

    with_server("batches start", options, work)


@app.command(name="list")
def list_(
    *,
    running: Annotated[bool | None, Parameter(negative="--ended")] = None,
    bounds: Bounds = BOUNDS,
    options: Options = DEFAULT,
) -> None:
    """List batches, the latest first.

    Parameters
    ----------
    running
        List only batches that have not ended. `--ended` lists only the others.
    """

    async def work(client: Client) -> None:
        found = client.read_list(client.of_tenant("batches"), bounds, running=running)
        try:
            await print_list(options.output, _COLUMNS, found)
        except Refused as error:
            await _explain(client, error)
            raise

    with_server("batches list", options, work)


@app.command
def show(
    batch: str,
    *,
    follow: Annotated[bool, Parameter(negative=())] = False,
    options: Options = DEFAULT,
) -> None:
    """Show a batch and its progress. csms keeps a batch for 30 days after its end.

    Parameters
    ----------
    batch
        The id of the batch, as `csms batches start` prints it.
    follow
        Show the progress until the batch has ended. The exit code is then 0 if all charge points agreed, and
        otherwise 4.
    """

    async def work(client: Client) -> None:
        found = (await _ask(client, "GET", client.of_tenant("batches", batch))).json()
        if follow:
            await _follow(client, options, found)
        else:
            print_document(options.output, found)

    with_server("batches show", options, work)


@app.command
def items(
    batch: str, *, outcome: Outcome | None = None, bounds: Bounds = BOUNDS, options: Options = DEFAULT
) -> None:
    """List the charge points of a batch, and what became of the command of each.

    Parameters
    ----------
    batch
        The id of the batch, as `csms batches list` shows it.
    outcome
        List only charge points with this outcome.
    """

    async def work(client: Client) -> None:
        found = client.read_list(client.of_tenant("batches", batch, "items"), bounds, outcome=outcome)
        await print_list(options.output, _ITEM_COLUMNS, found)

    with_server("batches items", options, work)


@app.command
def cancel(batch: str, *, options: Options = DEFAULT) -> None:
    """Let a batch send nothing more. csms still records the answers to commands that it has sent.

    Parameters
    ----------
    batch
        The id of the batch, as `csms batches list` shows it.
    """

    async def work(client: Client) -> None:
        try:
            done = await client.ask("POST", client.of_tenant("batches", batch, "cancel"))
        except Refused as error:
            if error.kind == "already-ended":
                raise NotDone(f"the batch {batch} has ended already, so there is nothing to cancel") from None
            raise
        print_document(options.output, done.json())

    with_server("batches cancel", options, work)


async def _ask(client: Client, method: str, path: str, **more: Any) -> httpx.Response:
    try:
        return await client.ask(method, path, **more)
    except Refused as error:
        await _explain(client, error)
        raise


async def _explain(client: Client, error: Refused) -> None:
    """Raise CommandRefused if the server is too old to have batches."""
    if error.status in {httpx.codes.NOT_FOUND, httpx.codes.METHOD_NOT_ALLOWED}:
        await client.refuse_if_old(_LIST)


def _print_preview(options: Options, preview: dict[str, Any]) -> None:
    if options.output == "json":
        print_json(preview)
        return
    shown = preview["charge_points"]
    for id_ in shown:
        write_line(id_)
    more = preview["total"] - len(shown)
    number = preview["total"]
    noun = "charge point" if number == 1 else "charge points"
    warn(f"the batch would reach {number} {noun}" + (f", {more} more than these" if more else ""))


async def _follow(client: Client, options: Options, batch: dict[str, Any]) -> None:
    """Print the progress each time it has changed, and at last the batch."""
    shown = None
    while batch["ended_at"] is None:
        counts = _progress(batch)
        if counts != shown:
            shown = counts
            if options.output == "json":
                print_json(batch)
            else:
                write_line(counts)
        await trio.sleep(_POLL_S)
        try:
            batch = await client.get(client.of_tenant("batches", batch["id"]))
        except TryAgain as error:
            warn(f"{error}; trying again")
    print_document(options.output, batch)
    counts = batch["counts"]
    if counts["accepted"] < counts["total"]:
        left = counts["total"] - counts["accepted"]
        raise NotDone(
            f"{left} of {counts['total']} charge points did not do what they were asked; see csms batches "
            f"items {batch['id']}"
        )


def _progress(batch: dict[str, Any]) -> str:
    counts = batch["counts"]
    parts = [f"{name.replace('_', ' ')} {counts[name]}" for name in _COUNTS if counts[name]]
    return f"{batch['id']} {batch['phase']}: {', '.join(parts) or 'no charge points'}"
