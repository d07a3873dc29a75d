"""`csms tokens`: make, list, retire and revoke the tokens in the websocket paths of charge points."""

import os
from pathlib import Path
from typing import Annotated

from cyclopts import App, Parameter

from admin.cli.api.client import Client, with_server
from admin.cli.api.files import reserve_secret
from admin.cli.api.options import BOUNDS, DEFAULT, Bounds, Options
from admin.cli.api.output import print_document, print_list, write_line
from admin.cli.failures import CommandRefused

app = App(
    name="tokens", help="Make, list, retire and revoke the tokens of charge points. Needs the admin API."
)

_COLUMNS = {
    "id": "id",
    "label": "label",
    "charge point": "charge_point",
    "created": "created_at",
    "last used": "last_used_at",
    "retired": "retired_at",
}


@app.command(name="list")
def list_(*, bounds: Bounds = BOUNDS, options: Options = DEFAULT) -> None:
    """List tokens, without their secrets."""

    async def work(client: Client) -> None:
        await print_list(options.output, _COLUMNS, client.read_list(client.of_tenant("tokens"), bounds))

    with_server("tokens list", options, work)


@app.command
def create(
    *,
    secret_file: Annotated[Path, Parameter(required=True)],
    label: str = "",
    charge_point: str | None = None,
    options: Options = DEFAULT,
) -> None:
    """Make a token. Its secret goes to a new file, and can never be read again.

    Parameters
    ----------
    secret_file
        The file for the secret. Only its owner may read it. The file must not exist yet.
    label
        A note for operators.
    charge_point
        The only charge point that may use the token. Without the option, every charge point of the tenant may
        use it.
    """

    async def work(client: Client) -> None:
        path = client.of_tenant("tokens")
        try:
            file = os.fdopen(reserve_secret(secret_file), "w", encoding="ascii")
        except FileExistsError:
            raise CommandRefused(f"{secret_file} exists already; name a new file") from None
        with file:
            try:
                made = (
                    await client.ask("POST", path, body={"label": label, "charge_point": charge_point})
                ).json()
            except BaseException:
                secret_file.unlink()
                raise
            file.write(f"{made.pop('secret')}\n")
        print_document(options.output, made)

    with_server("tokens create", options, work)


@app.command
def retire(
    token: str, *, undo: Annotated[bool, Parameter(negative=())] = False, options: Options = DEFAULT
) -> None:
    """Retire a token: it opens nothing by itself any more. See the page about security.

    Parameters
    ----------
    token
        The id of the token, as `csms tokens list` shows it.
    undo
        Make a retired token valid again.
    """

    async def work(client: Client) -> None:
        await client.ask("PATCH", client.of_tenant("tokens", token), body={"retired": not undo})
        _report(options, token, retired=not undo)

    with_server("tokens retire", options, work)


@app.command
def revoke(token: str, *, options: Options = DEFAULT) -> None:
    """Revoke a token, and disconnect the charge points that use it. This cannot be undone.

    Parameters
    ----------
    token
        The id of the token, as `csms tokens list` shows it.
    """

    async def work(client: Client) -> None:
        await client.ask("DELETE", client.of_tenant("tokens", token))
        _report(options, token, revoked=True)

    with_server("tokens revoke", options, work)


def _report(options: Options, token: str, **done: bool) -> None:
    if options.output == "json":
        print_document("json", {"id": token, **done})
    else:
        what = "; ".join(name if of else f"not {name}" for name, of in done.items())
        write_line(f"token {token} is now {what}")
