"""What `csms up` tells a person when it is ready: what runs where, and lines to copy for what to do next."""

import shlex
from contextlib import suppress
from pathlib import Path

from admin.addresses import Addresses
from admin.demo import Demo
from admin.programs import HeldPorts
from admin.rooms import script


def text(where: Addresses, demo: Demo, ports: HeldPorts) -> str:
    """Return the text; secrets are shown as the files that keep them."""
    token, key, ca = (_short(path) for path in (demo.token_file, demo.api_key_file, Path(where.ca_file)))
    address = f"OCPP16/{demo.tenant}/$(cat {token})"
    header = f'-H "Authorization: Bearer $(cat {key})"'
    charge_point = f"{where.admin}/v1/tenants/{demo.tenant}/charge-points"
    gateways = ", ".join(map(str, ports.gateway_health))
    return f"""\
csms is up. Ctrl-C stops it; what it remembers is in {_short(Path(where.data_dir))}.

  charge points   {where.wss}/{address}/<charge point id>
                  {where.ws}/{address}/<charge point id>   (without TLS)
  trust anchor    {ca}
  admin API       {where.admin}   (every route: {where.admin}/openapi.json)
  API key         {key}
  probes          /livez /readyz /metrics on ports {gateways} (gateways) and {ports.admin_health} (admin)

Next, in a second terminal: a charge point that charges,

  {script()} loadtest run --charge-points 1 --ca-file {ca} \\
    --url "{where.wss}/{address}/{{id}}"

and in a third, an operator who looks at it and stops it:

  curl -s {header} {charge_point}
  curl -s {header} "{where.admin}/v1/tenants/{demo.tenant}/transactions?open=true"
"""


def _short(path: Path) -> str:
    with suppress(ValueError):
        path = path.relative_to(Path.cwd())
    return shlex.quote(str(path))
