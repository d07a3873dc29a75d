"""What we do when a charge point speaks: action -> handler, one file per feature profile."""

from gateway.handlers import core
from gateway.handlers.handler import Handler
from gateway.ocpp16.actions import OF_REQUEST

HANDLERS: dict[str, Handler] = {
    OF_REQUEST[request].name: handler for request, handler in core.HANDLERS.items()
}
