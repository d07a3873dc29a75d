"""What `csms up` tells a person when it is ready: what runs where, and lines to copy for what to do next."""

import shlex
from contextlib import suppress
from pathlib import Path

from admin.cli.addresses import Addresses
from admin.cli.children import HeldPorts
from admin.cli.demo import Demo
from admin.cli.processes import csms_command


def write_greeting(where: Addresses, demo: Demo, ports: HeldPorts) -> str:
    """Return the text; secrets are shown as the files that keep them."""
    token, key, ca = (_short(path) for path in (demo.token_file, demo.api_key_file, Path(where.ca_file)))
    address = f"OCPP16/{demo.tenant}/$(cat {token})"
    gateways = ", ".join(map(str, ports.gateway_health))
    next_lines = _indented(charging_lines(where, demo)), _indented(operator_lines(where, demo))
    return f"""\
csms is up. Ctrl-C stops it; what it remembers is in {_short(Path(where.data_dir))}.

  charge points   {where.wss}/{address}/<charge point id>
                  {where.ws}/{address}/<charge point id>   (without TLS)
  trust anchor    {ca}
  admin API       {where.admin}   (every route: {where.admin}/openapi.json)
  API key         {key}
  probes          /livez /readyz /metrics on ports {gateways} (gateways) and {ports.admin_health} (admin)

Next, in a second terminal, a charge point that charges for ten minutes, or until it is stopped:

{next_lines[0]}

and in a third an operator, who sees it charging, stops it and sees the transaction:

{next_lines[1]}
"""


def charging_lines(where: Addresses, demo: Demo) -> list[str]:
    token, ca = _short(demo.token_file), _short(Path(where.ca_file))
    return [
        f"{csms_command()} loadtest run --charge-points 1 --duration 600 --interval 2 --ca-file {ca} \\",
        f'  --url "{where.wss}/OCPP16/{demo.tenant}/$(cat {token})/{{id}}"',
    ]


def operator_lines(where: Addresses, demo: Demo) -> list[str]:
    tenant = f"{where.admin}/v1/tenants/{demo.tenant}"
    charging = f"{tenant}/transactions?charge_point=LT00000&open=true"
    command = f"{tenant}/charge-points/LT00000/commands/RemoteStopTransaction?wait=10"
    headers = (
        f'-H "Authorization: Bearer $(cat {_short(demo.api_key_file)})" -H "Content-Type: application/json"'
    )
    number = """grep -o '"transaction_id":[0-9]*' | head -n 1 | cut -d: -f2"""
    return [
        f'api() {{ curl -s {headers} "$@"; echo; }}',
        f'api "{charging}"',
        f'id=$(api "{charging}" | {number})',
        f'api -d "{{\\"transactionId\\": $id}}" "{command}"',
        f'api "{tenant}/transactions?charge_point=LT00000"',
    ]


def _indented(lines: list[str]) -> str:
    return "\n".join(f"  {line}" for line in lines)


def _short(path: Path) -> str:
    with suppress(ValueError):
        path = path.relative_to(Path.cwd())
    return shlex.quote(str(path))
