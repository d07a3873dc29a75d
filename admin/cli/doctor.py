"""`csms doctor` examines a store and the configuration of gateways and admin processes."""

import hmac
import os
import secrets
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Annotated, Literal

import msgspec
import trio
from cyclopts import Parameter
from rich.console import Console
from rich.markup import escape

from admin.cli.failures import CommandRefused, report_failures
from admin.cli.processes import arguments, python_path
from gateway.service.config import ConfigError, load
from gateway.service.masking import mask_text
from state.doctor.examination import examine_store
from state.doctor.findings import Finding, ok, warning, wrong
from state.store import StoreConfig

_GATEWAY_S = 120.0

type Durability = Literal["fsync", "memory"]

_COLOURS = {"ok": "green", "warning": "yellow", "wrong": "red"}


class Examined(msgspec.Struct, frozen=True):
    """The findings about one process, as `python -m gateway --examine` prints them."""

    findings: list[Finding]
    store_mark: str = ""
    pepper_mark: str = ""


def doctor(
    *,
    gateway: Path | None = None,
    admin: Path | None = None,
    redis: Annotated[str | None, Parameter(env_var="CSMS__STORE__URL", show_default=False)] = None,
    durability: Durability = "fsync",
    data_dir: Path | None = None,
    output: Literal["table", "json"] = "table",
    strict: Annotated[bool, Parameter(negative=())] = False,
) -> None:
    """Examine a store and the settings of csms before production, and say what is wrong.

    Give the configuration files of your processes, or only the URL of the store. With a file, the command
    also compares the pepper with that of the store. With both files, it also makes sure that the processes
    use the same store and the same pepper. CSMS__ variables override the files, as they do when the processes
    start.

    Each line has a verdict: `ok`, `warning` or `wrong`. A line that is not `ok` says what to do. The exit
    code is 1 if something is wrong, and otherwise 0. The command writes one key to the store, which it
    removes again after it has measured how fast the store is. It prints no password and no other secret.

    Parameters
    ----------
    gateway
        The TOML file of a gateway (`csms gateway --config`). Run the command on the machine of the gateway
        and as its user, because ports, open files, memory and certificates are examined there.
    admin
        The TOML file of an admin process (`csms admin --config`).
    redis
        The URL of a Redis or Valkey, if you give no file. Put a URL with a password into the variable
        CSMS__STORE__URL, because other users of the machine can see the command line.
    durability
        The wanted `store.durability`, if you give no file.
    data_dir
        The data directory of `csms up`. The command examines its Valkey, which must be running, and all
        settings that `csms up` wrote.
    output
        `json` prints one JSON object for each line, with the members `subject`, `verdict` and `text`.
    strict
        End with the exit code 1 after a warning too.
    """
    with report_failures("csms doctor"):
        if data_dir is not None:
            if gateway or admin:
                raise CommandRefused("--data-dir names the files of csms up; leave out --gateway and --admin")
            gateway, admin = _find_files(data_dir)
        findings = list(_examine(gateway, admin, redis, durability))
        if data_dir is not None:  # csms up is running, so its own processes have the ports.
            findings = [each for each in findings if not each.subject.endswith(" ports")]
        if not findings:
            raise CommandRefused(
                "nothing to examine; give --gateway, --admin, --redis or --data-dir, or set CSMS__STORE__URL"
            )
        _print(findings, output)
    if any(each.verdict == "wrong" or (strict and each.verdict == "warning") for each in findings):
        sys.exit(1)


def _find_files(data_dir: Path) -> tuple[Path, Path]:
    """Return the files of a gateway and of the admin process of `csms up`."""
    files = data_dir / "gateway-1.toml", data_dir / "admin.toml"
    for file in files:
        if not file.exists():
            raise CommandRefused(f"{file} does not exist; csms up writes it, so start csms up first")
    return files


def _examine(
    gateway: Path | None, admin: Path | None, redis: str | None, durability: Durability
) -> Iterator[Finding]:
    nonce = secrets.token_hex(16)
    environ = dict(os.environ) if redis is None else {**os.environ, "CSMS__STORE__URL": redis}
    of_admin = None if admin is None else _examine_admin(admin, environ, nonce)
    if of_admin is not None:
        yield from of_admin.findings
    # An admin process whose file is wrong has no store that could be examined.
    with_store = of_admin is None or not of_admin.store_mark
    of_gateway = None if gateway is None else _examine_gateway(gateway, environ, nonce, with_store=with_store)
    if of_gateway is not None:
        yield from of_gateway.findings
    if of_admin is not None and of_gateway is not None and of_admin.store_mark and of_gateway.store_mark:
        yield from _compare(of_admin, of_gateway)
    if of_admin is None and of_gateway is None and redis is not None:
        yield from trio.run(examine_store, StoreConfig(url=redis, durability=durability))


def _examine_admin(path: Path, environ: dict[str, str], nonce: str) -> Examined:
    # These imports take half a second, as in csms.py.
    from admin.config import AdminConfig  # noqa: PLC0415
    from admin.examination import examine_admin  # noqa: PLC0415

    try:
        config = load(AdminConfig, path, environ)
    except ConfigError as error:
        return Examined([wrong("admin settings", str(error))])
    return Examined(
        [
            *trio.run(examine_store, config.store, config.security.pepper.encode()),
            ok("admin settings", "every setting is known and has a possible value"),
            *examine_admin(config),
        ],
        _mark(nonce, config.store.url),
        _mark(nonce, config.security.pepper),
    )


def _examine_gateway(path: Path, environ: dict[str, str], nonce: str, *, with_store: bool) -> Examined:
    """Let the gateway's own package examine its settings, because this package does not import it."""
    options = ["--config", str(path), "--examine", nonce, *(["--with-store"] if with_store else [])]
    try:
        done = subprocess.run(  # noqa: S603  our own Python
            arguments("gateway", *options),
            env={**environ, **python_path(environ)},
            stdout=subprocess.PIPE,
            timeout=_GATEWAY_S,
            check=True,
        )
    except subprocess.TimeoutExpired:
        return Examined([wrong("gateway settings", f"they were not read within {_GATEWAY_S:g} s; try again")])
    except subprocess.CalledProcessError as error:
        text = f"the examination ended with exit code {error.returncode}; the lines above say why"
        return Examined([wrong("gateway settings", text)])
    return msgspec.json.decode(done.stdout, type=Examined)


def _mark(nonce: str, secret: str) -> str:
    """Return the same text as `gateway.examination.mark`, by which two processes are compared."""
    return hmac.digest(nonce.encode(), secret.encode(), "sha256").hex()


def _compare(admin: Examined, gateway: Examined) -> Iterator[Finding]:
    if admin.store_mark == gateway.store_mark:
        yield ok("both", "the gateway and the admin process have the same store.url")
    else:
        text = (
            "the gateway and the admin process have different store.url; make sure that both name one store"
        )
        yield warning("both", text)
    if admin.pepper_mark == gateway.pepper_mark:
        yield ok("both", "the gateway and the admin process have the same pepper")
    else:
        text = "the gateway and the admin process have different peppers; give both the same pepper file"
        yield wrong("both", f"{text}, because a gateway refuses every token otherwise")


def _print(findings: list[Finding], output: Literal["table", "json"]) -> None:
    masked = [msgspec.structs.replace(each, text=mask_text(each.text)) for each in findings]
    if output == "json":
        for finding in masked:
            print(msgspec.json.encode(finding).decode())  # noqa: T201  the purpose of the command
        return
    console = Console(highlight=False)
    for finding in masked:
        line = f"[{_COLOURS[finding.verdict]}]{finding.verdict:9}[/]{escape(f'{finding.subject:27}')}"
        console.print(f"{line}{escape(finding.text)}", soft_wrap=True)
    counts = {verdict: sum(each.verdict == verdict for each in findings) for verdict in _COLOURS}
    sys.stderr.write(f"{counts['wrong']} wrong, {counts['warning']} warnings, {counts['ok']} ok\n")
