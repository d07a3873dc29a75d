"""A server that several files of tests share, and that ends before a file that does not use it."""

from collections.abc import Callable
from contextlib import AbstractContextManager, ExitStack

import pytest


class Shared[T]:
    """Opens the server for the first test that asks for it.

    A fixture with the scope of the session would keep the server until the end of the run, and an idle
    `csms up` takes a twentieth of a core. tests/conftest.py puts the files that share a server beside one
    another.
    """

    def __init__(
        self, request: pytest.FixtureRequest, opening: Callable[[], AbstractContextManager[T]]
    ) -> None:
        """`request` is that of the fixture that has this object, with which the files of users are found."""
        name = request.fixturename
        self._files = {item.path for item in request.session.items if name in list_fixtures(item)}
        self._opening = opening
        self._stack = ExitStack()
        self._server: T | None = None
        request.config.pluginmanager.register(self)
        request.addfinalizer(self._end)

    def get(self) -> T:
        if self._server is None:
            self._server = self._stack.enter_context(self._opening())
        return self._server

    @pytest.hookimpl(trylast=True)  # After the fixtures that use the server.
    def pytest_runtest_teardown(self, nextitem: pytest.Item | None) -> None:
        if nextitem is None or nextitem.path not in self._files:
            self._end()

    def _end(self) -> None:
        self._server = None
        self._stack.close()


def list_fixtures(item: pytest.Item) -> list[str]:
    """List all fixtures of a test, also those that other fixtures use."""
    return item.fixturenames if isinstance(item, pytest.Function) else []
