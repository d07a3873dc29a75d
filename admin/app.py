"""The app of the admin API with all its routes.

Before each route, the same checks run in one fixed order.
"""

import re
import secrets
import time
from functools import partial

import structlog
from quart import Response, current_app, g, request
from quart_schema import Info, QuartSchema, Tag
from quart_schema.openapi import HttpSecurityScheme
from werkzeug.exceptions import MethodNotAllowed

from admin.config import AdminLimits
from admin.http import auth, bodies, docs, listing, names, problems
from admin.http.openapi import Document
from admin.http.problems import Problem
from admin.http.quart_app import QuartApp
from admin.routes import (
    batches,
    certificates,
    charge_points,
    charge_points_delete,
    commands,
    configuration,
    data_transfer,
    denied_certificates,
    events,
    faults,
    id_tag_holds,
    id_tags,
    issued_certificates,
    jobs,
    nodes,
    orphaned_stops_join,
    overview,
    refusals,
    reservations,
    security,
    security_events,
    tenants,
    tokens,
    transactions,
    transactions_completed,
    transactions_end,
    transactions_meter_values,
    unmatched,
    unreadable_facts,
)
from admin.routes.charging_profiles import charging_profiles, composite_schedules
from admin.routes.local_lists import accepted, local_lists, updates
from admin.routes.traces import stream, traces
from admin.services import Services
from gateway.service.networks import find_client
from state.paging import BadCursor

ROUTES = (
    tenants,
    tokens,
    charge_points,
    charge_points_delete,
    overview,
    configuration,
    faults,
    reservations,
    charging_profiles,
    composite_schedules,
    local_lists,
    accepted,
    updates,
    id_tags,
    id_tag_holds,
    transactions,
    transactions_completed,
    transactions_end,
    transactions_meter_values,
    unmatched,
    orphaned_stops_join,
    unreadable_facts,
    traces,
    stream,
    commands,
    batches,
    jobs,
    certificates,
    security,
    denied_certificates,
    refusals,
    issued_certificates,
    security_events,
    data_transfer,
    events,
    nodes,
)

_REQUEST_ID = re.compile(r"[A-Za-z0-9._-]{1,64}")
_AWAY_S = 1.0
_METHODS = frozenset(("GET", "HEAD", "POST", "PUT", "PATCH", "DELETE", "OPTIONS"))
_log = structlog.get_logger("csms.admin")

_DESCRIPTION = """\
Operate charge points that speak OCPP 1.6-J.

Every path under /v1 needs an API key: `Authorization: Bearer csms_...`. Times in answers are RFC 3339 in UTC.
Names in paths must be percent-encoded. Every list has `items` and `next`. Send the value of `next` as the
parameter `cursor` to get the next page. Every error is a problem document (RFC 9457). The `type` of the
problem document is the same for all errors of one kind, so programs should compare it. The `request_id` of
the problem document identifies the request in the logs.
"""


def create_app(services: Services, limits: AdminLimits | None = None) -> QuartApp:
    limits = limits or AdminLimits()
    app = QuartApp()
    app.extensions["csms"] = services
    app.config["MAX_CONTENT_LENGTH"] = limits.body_bytes
    app.config["BODY_TIMEOUT"] = limits.body_s
    app.config["RESPONSE_TIMEOUT"] = limits.response_s
    problems.install(app)
    app.register_error_handler(BadCursor, listing.refuse_cursor)
    app.before_request(partial(_begin, services))
    app.before_request(partial(_check, services))
    app.after_request(partial(_end, services))
    for module in (docs, *ROUTES):
        app.register_blueprint(module.blueprint)
    QuartSchema(
        app,
        openapi_path="/openapi.json",
        # The documentation pages of quart-schema are off, because they load scripts from other hosts.
        # `http/docs.py` has a page without scripts.
        redoc_ui_path=None,
        scalar_ui_path=None,
        swagger_ui_path=None,
        info=Info(title="csms", version="1", description=_DESCRIPTION),
        tags=[
            Tag(name=name)
            for name in (
                "Tenants",
                "Charge points",
                "Configuration",
                "Commands",
                "Batches",
                "Reservations",
                "Charging profiles",
                "Local lists",
                "Id tags",
                "Transactions",
                "Jobs",
                "Security",
                "Data transfer",
                "Traces",
                "Events",
                "Nodes",
            )
        ],
        security_schemes={"apiKey": HttpSecurityScheme(scheme="bearer", bearer_format="csms_<id>_<secret>")},
        security=[{"apiKey": []}],
        conversion_preference="msgspec",
        openapi_provider_class=Document,
    )
    return app


async def _begin(services: Services) -> None:
    given = request.headers.get("X-Request-Id", "")
    g.request_id = given if _REQUEST_ID.fullmatch(given) else secrets.token_hex(8)
    g.began = time.monotonic()
    g.address = find_client(
        request.remote_addr or "", request.headers.getlist("X-Forwarded-For"), services.trusted_proxies
    )


async def _check(services: Services) -> Response | None:
    # Hypercorn accepts HTTP/2 in clear text, and no setting turns this off.
    if request.http_version.startswith("2"):
        raise Problem(505, "http-version-not-supported", "This API does not speak HTTP/2; use HTTP/1.1.")
    names.check_path(request.path)
    if request.method == "OPTIONS" and isinstance(request.routing_exception, MethodNotAllowed):
        return problems.options(request.routing_exception)
    # A request that matches no route gets 404 or 405 even without an API key, because the list of routes is
    # public.
    if request.routing_exception is None:
        # While the store is away, each command to it waits for its timeout. A request that comes within the
        # first second still waits, because the connection may only have been replaced.
        if request.path.startswith("/v1/") and services.store.away_s > _AWAY_S:
            raise problems.store_away()
        await auth.authorise(services)
        if request.path.startswith("/v1/"):
            bodies.refuse_unknown_parameters(current_app.view_functions[request.endpoint or ""])
    return None


async def _end(services: Services, response: Response) -> Response:
    response.headers["X-Request-Id"] = g.request_id
    response.headers["X-Content-Type-Options"] = "nosniff"
    response.headers.setdefault("Cache-Control", "no-store")
    key, seconds = g.get("api_key"), time.monotonic() - g.began
    services.answers.note(_name_route(), _name_method(), response.status_code, seconds)
    _log.info(
        "request.answered",
        request_id=g.request_id,
        method=request.method,
        path=request.path,
        address=g.address,
        status=response.status_code,
        ms=round(seconds * 1000, 1),
        key_id=None if key is None else key.id,
    )
    return response


def _name_route() -> str:
    """Return the route with the names of its parts, or "" if the request has none, so that labels are few."""
    return re.sub(r"<(?:\w+:)?(\w+)>", r"{\1}", request.url_rule.rule) if request.url_rule is not None else ""


def _name_method() -> str:
    return request.method if request.method in _METHODS else ""
