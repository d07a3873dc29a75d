"""The header Idempotency-Key, with which a client may repeat a POST safely."""

import re
from typing import Any

from quart import request

from admin.http.problems import invalid

_KEY = re.compile(r"[!-~]{1,255}")


def describe(meaning: str) -> dict[str, Any]:
    """Return the parameter for the OpenAPI document. `meaning` says what a repeated key does."""
    return {
        "name": "Idempotency-Key",
        "in": "header",
        "required": False,
        "description": f"{meaning} The key has 1 to 255 printable ASCII characters and no space.",
        "schema": {"type": "string", "minLength": 1, "maxLength": 255, "pattern": "^[!-~]+$"},
    }


def read_key() -> str | None:
    """Return the key of the present request. Raises Problem (422)."""
    key = request.headers.get("Idempotency-Key")
    if key is not None and not _KEY.fullmatch(key):
        raise invalid(
            "The Idempotency-Key is empty, too long or has a character that is not allowed; "
            "use 1 to 255 printable ASCII characters without a space.",
            parameter="Idempotency-Key",
        )
    return key
