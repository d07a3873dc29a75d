"""The settings of the connection to the store."""

from typing import Annotated

from msgspec import Meta, Struct

from state.redis import checks


class StoreConfig(Struct, frozen=True, forbid_unknown_fields=True):
    """The Redis or Valkey server that keeps all data. All processes of a system use the same server."""

    url: Annotated[
        str,
        Meta(
            min_length=1,
            description="URL of the server: `redis://`, `rediss://` (TLS) or `unix://`. A URL with "
            "a password is a secret.",
        ),
    ]
    durability: Annotated[
        checks.Durability,
        Meta(
            description="Where data must be before csms acknowledges it. `fsync` means on the disk of the "
            "server. `memory` means in the memory of the server. `replicated` is not supported yet. csms "
            "refuses a server whose own settings do not guarantee this.",
        ),
    ] = "fsync"
    connections: Annotated[
        int,
        Meta(
            ge=1,
            le=64,
            description="Number of connections to the server that all tasks share. csms opens one more "
            "connection to read lists, and one for heartbeats.",
        ),
    ] = 4
    blocking_connections: Annotated[
        int,
        Meta(
            ge=1,
            le=64,
            description="Greatest number of connections for commands that wait in the server (XREAD BLOCK). "
            "They come in addition to `connections`.",
        ),
    ] = 8
    timeout_s: Annotated[
        float,
        Meta(
            ge=0.1,
            le=60,
            description="Time that a command to the server may take, including the wait for a connection. "
            "After this time, the command fails as if the store were away.",
        ),
    ] = 5.0
    max_commands: Annotated[
        int,
        Meta(
            ge=1000,
            le=10_000_000,
            description="Greatest number of commands that may wait for a reply on one connection. A further "
            "command fails as if the store were away. The `blocking_connections` have no such limit.",
        ),
    ] = 100_000
    max_bytes: Annotated[
        int,
        Meta(
            ge=1 << 20,
            le=1 << 34,
            description="Greatest number of bytes in the commands that wait for a reply on one connection. A "
            "further command fails as if the store were away.",
        ),
    ] = 64 << 20
