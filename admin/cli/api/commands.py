"""`csms commands`: send commands to charge points, and look at their outcomes."""

from pathlib import Path
from typing import Annotated, Any, Literal

import httpx
from cyclopts import App, Parameter
from cyclopts.validators import Number

from admin.cli.api.client import Client, with_server
from admin.cli.api.errors import NotDone, Refused
from admin.cli.api.options import BOUNDS, DEFAULT, Bounds, Options
from admin.cli.api.output import print_document, print_list, warn
from admin.cli.api.payloads import EMPTY, key_headers, read_payload
from gateway.ocpp16.agreement import AGREED

app = App(
    name="commands", help="Send commands to charge points, and show their outcomes. Needs the admin API."
)

_COLUMNS = {
    "id": "id",
    "action": "action",
    "when": "when",
    "status": "status",
    "created": "created_at",
    "settled": "settled_at",
    "response": "response",
    "error": "error.code",
    "API key": "api_key",
}
_LIST = "/v1/tenants/{tenant}/charge-points/{charge_point}/commands"
_UNDONE = {
    *("offline", "call-error", "deadline-passed", "outcome-unknown", "not-accepted", "already-accepted"),
    *("cancelled", "already-sent", "already-ended"),
}

type Seconds = Annotated[float | None, Parameter(validator=Number(gte=0, lte=600))]


@app.command
def send(
    charge_point: str,
    action: str,
    payload: str = EMPTY,
    *,
    payload_file: Path | None = None,
    wait: Seconds = None,
    timeout: Annotated[float, Parameter(validator=Number(gte=1, lte=600))] = 30,
    when: Literal["now", "online"] = "now",
    online_within: Annotated[float | None, Parameter(validator=Number(gte=1, lte=2_592_000))] = None,
    idempotency_key: str | None = None,
    options: Options = DEFAULT,
) -> None:
    """Send an OCPP command to a charge point, and wait for its answer.

    The exit code is 0 if the charge point agreed, or if it has not answered after --wait. It is 4 if the
    charge point is offline, refused, or did not answer in time. With `--when online`, the command may wait
    until the charge point is online, and the exit code is 0 as soon as csms has recorded it.

    Parameters
    ----------
    charge_point
        The id of the charge point, as `csms charge-points list` shows it.
    action
        The OCPP action, such as `Reset`.
    payload
        The OCPP request as JSON, such as `'{"type": "Soft"}'`. Use --payload-file for a secret, because
        other users of the machine can see the command line.
    payload_file
        A file with the OCPP request as JSON. `/dev/stdin` reads it from a pipe.
    wait
        The number of seconds to wait for the answer. By default, this is the timeout, or 0 with `--when
        online`. With 0, the command prints the id of the command at once, for `csms commands show`.
    timeout
        The number of seconds within which the charge point must answer.
    when
        With `online`, csms sends the command as soon as the charge point is online and accepted, which may be
        now.
    online_within
        The number of seconds for which a command with `--when online` waits for the charge point. By default,
        this is 86400, a day.
    idempotency_key
        With the same key, action and payload, csms sends the command only once in 24 hours, so that you can
        repeat this command safely.
    """

    async def work(client: Client) -> None:
        asked = read_payload(payload, payload_file)
        try:
            response = await client.ask(
                "POST",
                client.of_tenant("charge-points", charge_point, "commands", action),
                body=asked,
                headers=key_headers(idempotency_key),
                timeout_s=timeout + 30,
                wait=wait,
                timeout=timeout,
                when=None if when == "now" else when,  # Older servers do not know the parameter.
                online_within=online_within,
            )
        except Refused as error:
            raise _judge_refusal(error) from None
        answer = response.json()
        for warning in answer["warnings"]:
            warn(f"warning: {warning}")
        print_document(options.output, answer)
        _judge(answer)

    with_server("commands send", options, work)


@app.command
def show(command: str, *, options: Options = DEFAULT) -> None:
    """Show a command and its outcome. csms keeps a command for 24 hours after its end.

    Parameters
    ----------
    command
        The id of the command, as `csms commands send` prints it.
    """

    async def work(client: Client) -> None:
        print_document(options.output, await client.get(client.of_tenant("commands", command)))

    with_server("commands show", options, work)


@app.command
def cancel(command: str, *, options: Options = DEFAULT) -> None:
    """Cancel a command that csms has not sent yet.

    The exit code is 4 if csms has sent the command already, or if it ended in another way.

    Parameters
    ----------
    command
        The id of the command, as `csms commands send` prints it.
    """

    async def work(client: Client) -> None:
        try:
            response = await client.ask("POST", client.of_tenant("commands", command, "cancel"))
        except Refused as error:
            raise _judge_refusal(error) from None
        print_document(options.output, response.json())

    with_server("commands cancel", options, work)


@app.command(name="list")
def list_(charge_point: str, *, bounds: Bounds = BOUNDS, options: Options = DEFAULT) -> None:
    """List the commands of a charge point.

    Parameters
    ----------
    charge_point
        The id of the charge point, as `csms charge-points list` shows it.
    """

    async def work(client: Client) -> None:
        path = client.of_tenant("charge-points", charge_point, "commands")
        try:
            await print_list(options.output, _COLUMNS, client.read_list(path, bounds))
        except Refused as error:
            if error.status in {httpx.codes.NOT_FOUND, httpx.codes.METHOD_NOT_ALLOWED}:
                await client.refuse_if_old(_LIST)
            raise

    with_server("commands list", options, work)


def _judge_refusal(error: Refused) -> Refused | NotDone:
    """Return the error to raise: NotDone if the request was right, but the charge point did not do it."""
    return NotDone(str(error)) if error.kind in _UNDONE else error


def _judge(answer: dict[str, Any]) -> None:
    """Raise NotDone if the charge point answered that it does not do what it was asked."""
    status = (answer["response"] or {}).get("status")
    if isinstance(status, str) and status not in AGREED:
        raise NotDone(f"{answer['charge_point']} answered {status}, so it did not do what it was asked")
