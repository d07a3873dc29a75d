"""Settings that every process has, each described once."""

from typing import Annotated

from msgspec import Meta

Port = Annotated[int, Meta(ge=0, le=65_535)]
HealthHost = Annotated[str, Meta(description="Address for `/livez`, `/readyz` and `/metrics`.")]
HealthPort = Annotated[
    Port, Meta(description="Port for `/livez`, `/readyz` and `/metrics`, one for each process.")
]
Pepper = Annotated[
    str,
    Meta(
        min_length=32,
        description="Secret that hashes tokens and API keys. All processes of a store share it.",
    ),
]
