"""Addresses and credentials of a running `csms up`."""

import msgspec


class Addresses(msgspec.Struct, frozen=True, kw_only=True):
    """The line of `csms up --json`. Charge points append /OCPP16/{tenant}/{token}/{id} to `ws` or `wss`."""

    ws: str
    wss: str
    admin: str
    api_key: str
    tenant: str
    token: str
    ca_file: str
    data_dir: str
