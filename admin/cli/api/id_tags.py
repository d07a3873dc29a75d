"""`csms id-tags`: import and export the id tags of a tenant as CSV."""

import csv
from pathlib import Path
from typing import Annotated

import msgspec
from cyclopts import App, Parameter

from admin.cli.api import id_tag_rows
from admin.cli.api.client import Client, with_server
from admin.cli.api.files import open_result
from admin.cli.api.id_tag_import import Outcome, import_rows
from admin.cli.api.id_tag_rows import COLUMNS, IdTagRow, WrongRow
from admin.cli.api.options import BOUNDS, DEFAULT, Bounds, Form, Options
from admin.cli.api.output import print_json, print_list, warn, write_line
from admin.cli.failures import CommandRefused

app = App(name="id-tags", help="List, import and export the id tags of a tenant. Needs the admin API.")


@app.command(name="list")
def list_(*, bounds: Bounds = BOUNDS, options: Options = DEFAULT) -> None:
    """List id tags, sorted without regard to upper and lower case."""

    async def work(client: Client) -> None:
        found = client.read_list(client.of_tenant("id-tags"), bounds)
        await print_list(options.output, {name: name for name in COLUMNS}, found)

    with_server("id-tags list", options, work)


@app.command
def export(*, file: Path | None = None, options: Options = DEFAULT) -> None:
    """Write all id tags as CSV, which `csms id-tags import` reads. `--output json` writes one object a line.

    Parameters
    ----------
    file
        The file to write. It appears only when it is complete. Without the option, the command writes to
        stdout.
    """

    async def work(client: Client) -> None:
        number = 0
        with open_result(file) as result:
            rows = csv.writer(result)
            if options.output == "table":
                rows.writerow(COLUMNS)
            async for one in client.read_list(client.of_tenant("id-tags"), Bounds(all=True)):
                number += 1
                if options.output == "table":
                    rows.writerow(one[name] for name in COLUMNS)
                else:
                    result.write(msgspec.json.encode(one).decode() + "\n")
        if file is not None:
            warn(f"wrote {number} id tags to {file}")

    with_server("id-tags export", options, work)


@app.command(name="import")
def import_(
    file: Path,
    *,
    dry_run: Annotated[bool, Parameter(negative=())] = False,
    skip_wrong: Annotated[bool, Parameter(negative=())] = False,
    options: Options = DEFAULT,
) -> None:
    """Create and change id tags from a CSV file. Tags that are not in the file stay as they are.

    The first row has the headings: `tag`, and as many of `status`, `expiry_date`, `parent_id_tag` and
    `max_active_transactions` as you need. An empty cell means the default value. The command reads the whole
    file first, and prints the number and the reason of each wrong row. If a row is wrong, the command changes
    nothing. It sends only rows that differ from what csms has. So if the command breaks off, run it again.

    Parameters
    ----------
    file
        The CSV file in UTF-8.
    dry_run
        Change nothing, and say what the command would do.
    skip_wrong
        Import the right rows although others are wrong. The exit code is 1 nevertheless.
    """

    async def work(client: Client) -> None:
        rows, wrong = _read_file(file)
        for one in wrong:
            _print_wrong(options.output, one)
        if wrong and not skip_wrong:
            raise CommandRefused(
                f"{len(wrong)} of {len(rows) + len(wrong)} rows are wrong, so nothing was imported; "
                "mend them, or give --skip-wrong to import the others"
            )
        outcome = await import_rows(
            client, rows, dry_run=dry_run, report=lambda one: _print_wrong(options.output, one)
        )
        _print_outcome(options.output, outcome, len(wrong), dry_run=dry_run)
        if wrong or outcome.refused:
            raise CommandRefused(
                f"{len(wrong) + outcome.refused} of {len(rows) + len(wrong)} rows are wrong; mend them, and "
                "run the command again"
            )

    with_server("id-tags import", options, work)


def _read_file(path: Path) -> tuple[list[IdTagRow], list[WrongRow]]:
    rows, wrong = list[IdTagRow](), list[WrongRow]()
    # Spreadsheets write a byte order mark.
    with path.open(encoding="utf-8-sig", newline="") as file:
        for one in id_tag_rows.read(file):
            if isinstance(one, IdTagRow):
                rows.append(one)
            else:
                wrong.append(one)
    return rows, wrong


def _print_wrong(form: Form, wrong: WrongRow) -> None:
    if form == "json":
        print_json(wrong)
    else:
        warn(f"row {wrong.row}: {wrong.reason}" + (f" (tag {wrong.tag})" if wrong.tag else ""))


def _print_outcome(form: Form, outcome: Outcome, wrong: int, *, dry_run: bool) -> None:
    refused = outcome.refused + wrong
    if form == "json":
        counts = {"created": outcome.created, "changed": outcome.changed, "unchanged": outcome.unchanged}
        print_json({**counts, "wrong": refused, "dry_run": dry_run})
    else:
        would = "would be " if dry_run else ""
        write_line(
            f"{would}created: {outcome.created}, {would}changed: {outcome.changed}, unchanged: "
            f"{outcome.unchanged}, wrong: {refused}"
        )
