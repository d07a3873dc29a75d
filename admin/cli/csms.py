"""The command `csms`, which starts the other packages as processes and does not import them."""

import sys
from importlib.metadata import PackageNotFoundError, version
from typing import Annotated, Final, Literal

from cyclopts import App, Parameter

from admin.cli.config_option import Config
from admin.cli.processes import become

_COMMANDS: Final = {
    "admin": "admin_command:admin",
    "api-key": "api_keys:app",
    "archive": "archive:app",
    "backup": "backup:app",
    "batches": "api.batches:app",
    "charge-points": "api.charge_points:app",
    "commands": "api.commands:app",
    "doctor": "doctor:doctor",
    "events": "api.events:events",
    "health": "health:health",
    "id-tags": "api.id_tags:app",
    "nodes": "nodes:app",
    "pki": "pki:app",
    "profiles": "api.profiles_command:app",
    "refusals": "api.refusals:refusals",
    "restore": "backup:restore",
    "sizing": "sizing:sizing",
    "store": "store:app",
    "tokens": "api.tokens:app",
    "trace": "api.trace:app",
    "transactions": "api.transactions:app",
    "up": "up_command:up",
}
"""Where each command is that is more than a few lines.

To import all of them takes half a second, so only the command that runs is imported.
"""


def _version() -> str:
    try:
        return f"csms {version('csms')}"
    except PackageNotFoundError:
        return "csms (not installed)"


app = App(
    name="csms",
    help="""A Charging Station Management System for OCPP 1.6-J.

Begin with `csms up`, which runs all parts on this machine and says what to do next. In production each part
is a process of its own, and all processes share one Redis or Valkey. `csms gateway` serves charge points.
`csms admin` serves operators.

`csms batches`, `charge-points`, `commands`, `events`, `id-tags`, `refusals`, `tokens`, `trace` and
`transactions` use the admin API. `csms api-key`, `archive`, `backup`, `nodes` and `store` use the store
itself.
""",
    version=_version,
    help_format="markdown",
)
for _name, _place in _COMMANDS.items():
    app.command(f"admin.cli.{_place}", name=_name, alias="serve" if _name == "admin" else None)


@app.command
def gateway(*, config: Config = None) -> None:
    """Serve charge points with one process, which uses one processor core.

    The gateway listens for `ws://` and `wss://` on the ports of the configuration. The gateway needs the URL
    of a store (`store.url`, or the variable CSMS__STORE__URL) and the pepper with which tokens are hashed
    (`security.pepper_file`). After SIGTERM, the gateway closes its connections with the close code 1012
    (service restart), spread over `drain.window_s` seconds. The process ends at most 12 s after that.
    """
    become("gateway", *_config_arguments(config))


@app.command
def completion(shell: Literal["bash", "zsh", "fish"]) -> None:
    """Print a script with which a shell completes the commands and options of csms.

    For the present bash, run `source <(csms completion bash)`.

    Parameters
    ----------
    shell
        The shell that reads the script.
    """
    from admin.cli.api.output import write_line  # noqa: PLC0415  Its imports are slow, as those of the others.

    write_line(app.generate_completion(prog_name="csms", shell=shell))


@app.command(help_flags=[], version_flags=[])
def loadtest(*arguments: Annotated[str, Parameter(allow_leading_hyphen=True, show=False)]) -> None:
    """Simulate charge points and measure how fast a CSMS answers. `csms loadtest --help` has the options."""
    become("loadtest", *arguments)


def _config_arguments(config: Config) -> list[str]:
    return [] if config is None else ["--config", str(config)]


def main() -> None:
    """Run the command line. The exit code is 0 after success, and 1 after one clear line on stderr."""
    arguments = sys.argv[1:]
    if not arguments or arguments[0] in app.help_flags:
        _import_commands()
    app(arguments)


def _import_commands() -> list[App]:
    """Import all commands, because the list of commands shows the first sentence of each."""
    return [app[name] for name in _COMMANDS]
