"""The text that `csms up` prints when it is ready: addresses, and the command lines to type next."""

import shlex
from contextlib import suppress
from pathlib import Path

from admin.cli.addresses import Addresses
from admin.cli.children import HeldPorts
from admin.cli.demo import Demo
from admin.cli.processes import csms_command


def write_greeting(where: Addresses, demo: Demo, ports: HeldPorts) -> str:
    """Return the text. The text has the names of the files with the secrets, not the secrets themselves."""
    token, key, ca = (_short(path) for path in (demo.token_file, demo.api_key_file, Path(where.ca_file)))
    address = f"OCPP16/{demo.tenant}/$(cat {token})"
    gateways = ", ".join(map(str, ports.gateway_health))
    next_lines = _indented(charging_lines(where, demo)), _indented(operator_lines(where, demo))
    return f"""\
csms is up. Ctrl-C stops it; what it remembers is in {_short(Path(where.data_dir))}.

  charge points   {where.wss}/{address}/<charge point id>
                  {where.ws}/{address}/<charge point id>   (without TLS)
  trust anchor    {ca}
  admin API       {where.admin}   (documentation: {where.admin}/docs)
  API key         {key}
  probes          /livez /readyz /metrics on ports {gateways} (gateways) and {ports.admin_health} (admin)

Next, start a charge point in a second terminal. It charges for ten minutes or until an operator stops it:

{next_lines[0]}

In a third terminal, look at its transaction as an operator, stop it, and look at it again:

{next_lines[1]}
"""


def charging_lines(where: Addresses, demo: Demo) -> list[str]:
    token, ca = _short(demo.token_file), _short(Path(where.ca_file))
    return [
        f"{csms_command()} loadtest run one --ca-file {ca} \\",
        f'  --token-file {token} --url "{where.wss}/OCPP16/{demo.tenant}/{{token}}/{{id}}"',
    ]


def operator_lines(where: Addresses, demo: Demo) -> list[str]:
    headers = (
        f'-H "Authorization: Bearer $(cat {_short(demo.api_key_file)})" -H "Content-Type: application/json"'
    )
    charging = "$demo/transactions?charge_point=LT000000&open=true"
    command = "$demo/charge-points/LT000000/commands/RemoteStopTransaction?wait=10"
    number = """grep -o '"ocpp_transaction_id":[0-9]*' | head -n 1 | cut -d: -f2"""
    return [
        f'api() {{ curl -s {headers} "$@"; echo; }}',
        f"demo={where.admin}/v1/tenants/{demo.tenant}",
        f'api "{charging}"',
        f'id=$(api "{charging}" | {number})',
        f'api -d "{{\\"transactionId\\": $id}}" "{command}"',
        'api "$demo/transactions?charge_point=LT000000"',
    ]


def _indented(lines: list[str]) -> str:
    return "\n".join(f"  {line}" for line in lines)


def _short(path: Path) -> str:
    with suppress(ValueError):
        path = path.relative_to(Path.cwd())
    return shlex.quote(str(path))
