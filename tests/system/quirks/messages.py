"""Valid payloads, which a row then makes faulty."""

from datetime import UTC, datetime, timedelta
from typing import Any

from tests.support.charge_point_peer import now

TIME = "2026-01-31T12:00:00Z"


def before(**ago: float) -> str:
    return (datetime.now(UTC) - timedelta(**ago)).isoformat(timespec="seconds").replace("+00:00", "Z")


def start(**fields: Any) -> dict[str, Any]:
    return {"connectorId": 1, "idTag": "TAG", "meterStart": 100, "timestamp": now(), **fields}


def stop(transaction_id: int, **fields: Any) -> dict[str, Any]:
    return {"transactionId": transaction_id, "meterStop": 900, "timestamp": now(), **fields}


def status(**fields: Any) -> dict[str, Any]:
    return {"connectorId": 1, "errorCode": "NoError", "status": "Available", **fields}


def meter(*sampled: Any, **fields: Any) -> dict[str, Any]:
    """Make a MeterValues payload of these samples; `meterValue` replaces the list."""
    value = {"timestamp": fields.pop("timestamp", TIME), "sampledValue": list(sampled)}
    return {"connectorId": 1, "meterValue": [value], **fields}
