"""Where a running `csms up` is found."""

import msgspec


class Addresses(msgspec.Struct, frozen=True, kw_only=True):
    """The one line of `csms up --json`; to `ws` and `wss` is appended /OCPP16/{tenant}/{token}/{id}."""

    ws: str
    wss: str
    admin: str
    api_key: str
    tenant: str
    token: str
    ca_file: str
    data_dir: str
