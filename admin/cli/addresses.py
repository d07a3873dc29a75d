"""Addresses and credentials of a running `csms up`."""

import msgspec


class Addresses(msgspec.Struct, frozen=True, kw_only=True):
    """The members of the line that `csms up --json` prints.

    `ws` and `wss` are URLs, to which a charge point appends its path.
    """

    ws: str
    wss: str
    admin: str
    api_key: str
    tenant: str
    token: str
    ca_file: str
    data_dir: str
