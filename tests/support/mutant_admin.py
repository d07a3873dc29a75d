"""The admin API of the mutant server: the part of the API of csms that the load test uses."""

from datetime import datetime
from typing import Any

from quart import Quart, Response, jsonify, request

from tests.support.mutant_central_system import CentralSystem, Json, Transaction

TENANT = "demo"
_BASE = "/v1/tenants/<tenant>"
_EPOCH = "1970-01-01T00:00:00Z"
_PROBLEMS = {
    "error": (502, "call-error"),
    "timeout": (504, "deadline-passed"),
    "unknown": (504, "outcome-unknown"),
    "offline": (409, "offline"),
}
"""HTTP status and kind of the problem, by the status of a command that was not answered."""


def make_app(system: CentralSystem, key: str) -> Quart:
    app, api = Quart(__name__), _Api(system, key)
    app.before_request(api.check)
    for path, method, route in (
        ("/metrics", "GET", api.metrics),
        (f"{_BASE}/transactions", "GET", api.list_transactions),
        (f"{_BASE}/transactions/<transaction>/meter-values", "GET", api.list_meter_values),
        (f"{_BASE}/charge-points", "GET", api.list_charge_points),
        (f"{_BASE}/charge-points/<charge_point>", "DELETE", api.delete_charge_point),
        (f"{_BASE}/charge-points/<charge_point>/commands/<action>", "POST", api.send_command),
        (f"{_BASE}/commands/<command>", "GET", api.get_command),
    ):
        app.add_url_rule(path, methods=[method], view_func=route)
    return app


class _Api:
    def __init__(self, system: CentralSystem, key: str) -> None:
        self.system = system
        self.key = key
        self.requests = 0

    async def check(self) -> Response | None:
        if request.path == "/metrics":
            return None
        self.requests += 1
        if request.headers.get("Authorization") != f"Bearer {self.key}":
            return _problem(401, "unauthorised")
        if (request.view_args or {}).pop("tenant", None) != TENANT:
            return _problem(404, "not-found")
        if self.system.switches.busy and self.requests % 3 == 1:
            return _problem(429 if self.requests % 2 else 503, "busy", {"Retry-After": "0"})
        return None

    async def metrics(self) -> Response:
        text = f"handled_total {self.system.handled}\nhandling_seconds_max {self.system.slowest_s:.6f}\n"
        return Response(text, content_type="text/plain")

    async def list_transactions(self) -> Response:
        since = datetime.fromisoformat(request.args.get("since", _EPOCH))
        charge_point = request.args.get("charge_point")
        found = [
            one
            for one in self.system.transactions
            if charge_point in {None, one.charge_point}
            and datetime.fromisoformat(one.start["timestamp"]) >= since
        ]
        found.sort(key=lambda one: datetime.fromisoformat(one.start["timestamp"]), reverse=True)
        return _page([_show(one) for one in found])

    async def list_meter_values(self, transaction: str) -> Response:
        found = [one for one in self.system.transactions if _public_id(one) == transaction]
        return (
            _page([value for one in found for value in one.values]) if found else _problem(404, "not-found")
        )

    async def list_charge_points(self) -> Response:
        prefix, online = request.args.get("prefix", ""), request.args.get("online")
        connected = self.system.links.keys()
        names = connected | {one.charge_point for one in self.system.transactions}
        if online is not None:
            names = names & connected if online == "true" else names - connected
        return _page(
            [{"id": name, "online": name in connected} for name in sorted(names) if name.startswith(prefix)]
        )

    async def delete_charge_point(self, charge_point: str) -> Response:
        link = self.system.links.get(charge_point)
        if link is not None:
            await link.connection.close(1000)
        left = [one for one in self.system.transactions if one.charge_point != charge_point]
        known = link is not None or len(left) < len(self.system.transactions)
        self.system.transactions = left
        return Response(status=204) if known else _problem(404, "not-found")

    async def send_command(self, charge_point: str, action: str) -> Response:
        timeout_s = float(request.args.get("timeout", 30))
        record = await self.system.command(charge_point, action, await request.get_json(), timeout_s)
        if record["status"] == "answered":
            return jsonify(record)
        return _problem(*_PROBLEMS[record["status"]], command=record)

    async def get_command(self, command: str) -> Response:
        record = self.system.commands.get(command)
        return _problem(404, "not-found") if record is None else jsonify(record)


def _page(items: list[Json]) -> Response:
    begin, limit = int(request.args.get("cursor", 0)), int(request.args.get("limit", 100))
    end = begin + limit
    return jsonify({"items": items[begin:end], "next": str(end) if end < len(items) else None})


def _problem(status: int, kind: str, headers: dict[str, str] | None = None, **members: Any) -> Response:
    document = {"type": f"urn:csms:problem:{kind}", "title": kind, "status": status, "detail": kind}
    answer = jsonify({**document, "instance": request.path, "request_id": "", **members})
    answer.status_code = status
    answer.headers["Content-Type"] = "application/problem+json"
    answer.headers.update(headers or {})
    return answer


def _public_id(one: Transaction) -> str:
    return f"{one.charge_point}.{one.id}"


def _show(one: Transaction) -> Json:
    stop = one.stop or {}
    return {
        "id": _public_id(one),
        "ocpp_transaction_id": one.id,
        "state": "stopped" if stop else "open",
        "charge_point": one.charge_point,
        "connector_id": one.start["connectorId"],
        "id_tag": one.start["idTag"],
        "started_at": one.start["timestamp"],
        "started_received_at": None,
        "meter_start": one.start["meterStart"],
        "stopped_at": stop.get("timestamp"),
        "stopped_received_at": None,
        "meter_stop": stop.get("meterStop"),
        "stop_id_tag": stop.get("idTag"),
        "reason": stop.get("reason"),
        "energy_wh": stop["meterStop"] - one.start["meterStart"] if stop else None,
        "reservation_id": one.start.get("reservationId"),
        "as_sent": None,
        "stop_as_sent": None,
        "contradicting_stops": 0,
        "dropped_meter_values": 0,
        "archived": False,
        "ended": None,
        "revision": 0,
        "completed_at": None,
        "joined": None,
        "superseded_by": None,
    }
