"""Settings that every process has, each described once."""

from typing import Annotated

from msgspec import Meta

Port = Annotated[int, Meta(ge=0, le=65_535)]
HealthHost = Annotated[
    str,
    Meta(
        min_length=1,
        description="Address for `/livez`, `/readyz` and `/metrics`. If the address is not loopback, "
        "everyone who reaches it can read these three pages.",
    ),
]
HealthPort = Annotated[
    Port,
    Meta(description="Port for `/livez`, `/readyz` and `/metrics`. Each process needs a port of its own."),
]
Pepper = Annotated[
    str,
    Meta(
        min_length=32,
        description="Secret that goes into the hashes of tokens, passwords of charge points and API keys. "
        "All processes that use one store need the same pepper. After a change of the pepper, csms accepts "
        "none of those that were made before.",
    ),
]
