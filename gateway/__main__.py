"""Run one gateway process. `csms gateway` and `csms up` start it as `python -m gateway --config FILE`."""

from gateway.service import interrupts

interrupts.end_silently()

import argparse
import os
import sys
from pathlib import Path

import msgspec

from gateway.config import GatewayConfig
from gateway.examination import examine
from gateway.process import run
from gateway.service import hangups, logs
from gateway.service.config import ConfigError, load
from state.errors import StateError

_EXPECTED = (ConfigError, StateError, OSError)
"""Errors that a person can correct. These errors are printed in one line, without a traceback.
"""


def main() -> int:
    parser = argparse.ArgumentParser(prog="csms gateway", description="Serve charge points (OCPP 1.6-J).")
    parser.add_argument(
        "--config", type=Path, help="TOML file; environment variables named CSMS__SECTION__KEY override it"
    )
    parser.add_argument(
        "--examine", metavar="NONCE", help="serve nobody; print findings about the settings as JSON"
    )
    parser.add_argument("--with-store", action="store_true", help="examine the store too")
    arguments = parser.parse_args()
    if arguments.examine is not None:
        logs.configure("error")
        found = examine(arguments.config, arguments.examine, with_store=arguments.with_store)
        sys.stdout.write(msgspec.json.encode(found).decode() + "\n")
        return 0
    try:
        config = load(GatewayConfig, arguments.config, os.environ)
        logs.configure(config.logs.level, config.logs.format)
        hangups.run(run, config)
    except _EXPECTED as error:
        return _report(error)
    except BaseExceptionGroup as group:  # A nursery raises errors in a group.
        expected, rest = group.split(_EXPECTED)
        if expected is None or rest is not None:
            raise
        return _report(expected)
    return 0


def _report(error: BaseException) -> int:
    while isinstance(error, BaseExceptionGroup):
        error = error.exceptions[0]
    sys.stderr.write(f"csms gateway: {error}\n")
    return 1


if __name__ == "__main__":
    sys.exit(main())
