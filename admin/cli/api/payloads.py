"""OCPP payloads and Idempotency-Keys on the command line."""

from pathlib import Path
from typing import Any

import msgspec

from admin.cli.failures import CommandRefused
from gateway.service.secrets import names_secret

EMPTY = "{}"


def read_payload(given: str, file: Path | None) -> dict[str, Any]:
    """Read the payload from the argument or the file. Raises CommandRefused."""
    source = "the payload"
    if file is not None:
        if given != EMPTY:
            raise CommandRefused("the payload is given twice; leave out the argument or --payload-file")
        text, source = file.read_bytes(), str(file)
    else:
        text = given.encode()
    try:
        payload = msgspec.json.decode(text, type=dict[str, Any])
    except (msgspec.MsgspecError, UnicodeDecodeError, RecursionError) as error:
        raise CommandRefused(f"{source} is not a JSON object ({error}); write it like {{}}") from None
    if file is None and _holds_secret(payload):
        raise CommandRefused(
            "the payload holds a secret, and other users of this machine can see the command line; give it "
            "with --payload-file"
        )
    return payload


def key_headers(key: str | None) -> dict[str, str]:
    """Return the header with the Idempotency-Key, if there is one. Raises CommandRefused."""
    if key is None:
        return {}
    if not key or not key.isascii() or not key.isprintable() or " " in key:
        raise CommandRefused("--idempotency-key must have printable ASCII characters only, and no space")
    return {"Idempotency-Key": key}


def _holds_secret(payload: dict[str, Any]) -> bool:
    key = payload.get("key")
    names_it = isinstance(key, str) and names_secret(key) and "value" in payload
    return names_it or any(names_secret(name) for name in payload)
