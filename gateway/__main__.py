"""`python -m gateway --config FILE`: how `csms gateway` and `csms up` start one gateway process."""

import argparse
import os
import sys
from pathlib import Path

import trio

from gateway.config import GatewayConfig
from gateway.process import run
from gateway.service import logs
from gateway.service.config import ConfigError, load
from state.errors import StateError


def main() -> int:
    parser = argparse.ArgumentParser(prog="csms gateway", description="Serve charge points (OCPP 1.6-J).")
    parser.add_argument("--config", type=Path, help="TOML file; CSMS__SECTION__KEY variables override it")
    arguments = parser.parse_args()
    try:
        config = load(GatewayConfig, arguments.config, os.environ)
        logs.configure(config.logs.level, config.logs.format)
        trio.run(run, config)
    except (ConfigError, StateError, OSError) as error:
        sys.stderr.write(f"csms gateway: {error}\n")
        return 1
    return 0


if __name__ == "__main__":
    sys.exit(main())
