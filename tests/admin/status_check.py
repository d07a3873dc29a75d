"""The check that every answer which a test gets has a status that /openapi.json describes."""

import re
from typing import Any

import httpx
from quart import Quart

_described: dict[re.Pattern[str], dict[str, Any]] = {}
"""The operations of each path, by method. All apps have the same routes, so the document is made once."""


class StatusCheck:
    """A response hook of httpx."""

    def __init__(self, app: Quart) -> None:
        self._app = app

    async def __call__(self, response: httpx.Response) -> None:
        path, method = response.request.url.raw_path.decode().partition("?")[0], response.request.method
        operation = self._find(path, {"HEAD": "get"}.get(method, method.lower()))
        # 405 is the answer to a method that the document does not have.
        if operation is not None:
            described = operation["responses"]
            assert str(response.status_code) in described, (method, path, response.status_code)

    def _find(self, path: str, method: str) -> dict[str, Any] | None:
        if not _described:
            document = self._app.extensions["QUART_SCHEMA"].openapi_provider.schema()
            # Among paths that fit, the one with the fewest names is that of the route.
            for template, operations in sorted(document["paths"].items(), key=lambda one: one[0].count("{")):
                pattern = re.sub(r"\\\{[a-z_]+\\\}", "[^/]+", re.escape(template))
                _described[re.compile(pattern)] = operations
        fitting = (operations for pattern, operations in _described.items() if pattern.fullmatch(path))
        return next((operations[method] for operations in fitting if method in operations), None)
