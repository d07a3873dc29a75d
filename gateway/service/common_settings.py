"""Settings that every process has, each described once."""

from typing import Annotated

from msgspec import Meta

Port = Annotated[int, Meta(ge=0, le=65_535)]
HealthHost = Annotated[
    str,
    Meta(
        min_length=1,
        description="Address for `/livez`, `/readyz` and `/metrics`. At an address beyond loopback, they "
        "answer anyone.",
    ),
]
HealthPort = Annotated[
    Port, Meta(description="Port for `/livez`, `/readyz` and `/metrics`. Each process needs its own.")
]
Pepper = Annotated[
    str,
    Meta(
        min_length=32,
        description="Secret that goes into the hashes of tokens and API keys. All processes of a store need "
        "the same pepper. After a change of the pepper, csms accepts no earlier token or API key.",
    ),
]
