"""The command `csms admin`."""

import os

from admin.cli.config_option import Config
from admin.cli.failures import report_failures
from admin.config import AdminConfig
from admin.process import run
from gateway.service import ready
from gateway.service.config import load


def admin(*, config: Config = None) -> None:
    """Serve the admin API to operators.

    The API listens on `listen.port` in plain HTTP, so put a proxy in front of it that terminates TLS. The
    process needs the same store and pepper as the gateways. Set `store.url` and `security.pepper_file`, or
    the CSMS__ variables of these two settings.
    """
    with report_failures("csms admin"):
        run(load(AdminConfig, config, os.environ), ready.announce)
