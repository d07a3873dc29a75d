"""Send rows of id tags to the server, several at a time, and only those that it does not have yet."""

from collections.abc import Callable
from typing import Any

import httpx
import msgspec
import trio
from rich.console import Console
from rich.progress import BarColumn, MofNCompleteColumn, Progress, TimeRemainingColumn

from admin.cli.api.client import Client
from admin.cli.api.errors import Busy, Refused, TryAgain
from admin.cli.api.id_tag_rows import IdTagRow, WrongRow, fold
from admin.cli.api.options import Bounds

_AT_ONCE = 16
_PATIENCE = 5
"""How often a row is tried while the server is busy or restarts."""


class Outcome(msgspec.Struct):
    created: int = 0
    changed: int = 0
    unchanged: int = 0
    refused: int = 0


async def import_rows(
    client: Client, rows: list[IdTagRow], *, dry_run: bool, report: Callable[[WrongRow], None]
) -> Outcome:
    """Make the server have all rows. Rows that it refuses go to `report`. Raises Refused, TryAgain."""
    path = client.of_tenant("id-tags")
    stored: dict[str, dict[str, Any]] = {}
    async for one in client.read_list(path, Bounds(all=True)):
        stored[fold(one["tag"])] = one
    outcome, missing = Outcome(), list[IdTagRow]()
    for row in rows:
        known = stored.get(fold(row.tag))
        if known is not None and row.equals(known):
            outcome.unchanged += 1
        elif dry_run:
            _count(outcome, created=known is None)
        else:
            missing.append(row)
    if missing:
        await _send_all(client, missing, outcome, report)
    return outcome


async def _send_all(
    client: Client, rows: list[IdTagRow], outcome: Outcome, report: Callable[[WrongRow], None]
) -> None:
    console = Console(stderr=True)
    columns = BarColumn(), MofNCompleteColumn(), TimeRemainingColumn()
    pending = iter(rows)
    failure: list[Exception] = []
    with Progress(*columns, console=console, transient=True, disable=not console.is_terminal) as progress:
        bar = progress.add_task("", total=len(rows))

        async def send_rows(scope: trio.CancelScope) -> None:
            for row in pending:
                try:
                    await _send(client, row, outcome, report)
                except (Refused, TryAgain) as error:
                    failure.append(error)
                    scope.cancel()
                    return
                progress.advance(bar)

        async with trio.open_nursery() as nursery:
            for _ in range(_AT_ONCE):
                nursery.start_soon(send_rows, nursery.cancel_scope)
    if failure:
        done = outcome.created + outcome.changed
        raise _stopped(failure[0], f"{done} of {len(rows)} rows were sent; run the command again to go on")


async def _send(client: Client, row: IdTagRow, outcome: Outcome, report: Callable[[WrongRow], None]) -> None:
    path, body = client.of_tenant("id-tags", row.tag), row.settings()
    for attempt in range(_PATIENCE):
        try:
            response = await client.ask("PUT", path, body=body)
        except TryAgain as error:
            if attempt + 1 == _PATIENCE:
                raise
            await trio.sleep(error.after_s if isinstance(error, Busy) else 2**attempt)
        except Refused as error:
            if error.status not in {httpx.codes.BAD_REQUEST, httpx.codes.UNPROCESSABLE_ENTITY}:
                raise
            outcome.refused += 1
            report(WrongRow(row=row.number, tag=row.tag, reason=str(error)))
            return
        else:
            _count(outcome, created=response.status_code == httpx.codes.CREATED)
            return


def _count(outcome: Outcome, *, created: bool) -> None:
    if created:
        outcome.created += 1
    else:
        outcome.changed += 1


def _stopped(error: Exception, text: str) -> Exception:
    """Return the error with more text, and with the exit code that it has."""
    if isinstance(error, Refused):
        return Refused(f"{error} {text}", error.status, error.problem)
    return TryAgain(f"{error}. {text}")
