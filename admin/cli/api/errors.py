"""What can go wrong with a request, as sentences for people and exit codes for programs."""

import ssl
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

import httpx

from admin.cli.failures import CommandRefused


class TryAgain(CommandRefused):
    """The server cannot be reached, or cannot do the work now. The same command may succeed later."""

    exit_code = 3


class NotDone(CommandRefused):
    """csms did its part, but the charge point did not do what it was asked."""

    exit_code = 4


class Refused(CommandRefused):
    """The server answered with a problem document. `status` is its HTTP status."""

    def __init__(self, text: str, status: int, problem: dict[str, Any]) -> None:
        super().__init__(text)
        self.status, self.problem = status, problem

    @property
    def kind(self) -> str:
        return str(self.problem.get("type", "")).rpartition(":")[2]


class Busy(TryAgain):
    """The server asks for patience: after `after_s` seconds, the same request may succeed."""

    def __init__(self, text: str, after_s: float) -> None:
        super().__init__(text)
        self.after_s = after_s


@contextmanager
def explaining(url: str) -> Iterator[None]:
    """Turn an error of httpx in the block into TryAgain or CommandRefused. `url` is the server's."""
    try:
        yield
    except httpx.HTTPError as error:
        cause = _find_cause(error)
        text = str(cause) or type(cause).__name__
        if isinstance(cause, ssl.SSLCertVerificationError):
            raise CommandRefused(
                f"the certificate of {url} is not trusted ({cause.verify_message}); name its authority in "
                "ca_file of the profile or in CSMS_CA_FILE, or correct the address"
            ) from None
        if isinstance(error, httpx.ConnectError | httpx.ConnectTimeout):
            raise TryAgain(
                f"cannot reach {url} ({text}); start the admin process, or correct the address"
            ) from None
        if isinstance(error, httpx.TimeoutException):
            raise TryAgain(f"{url} did not answer in time; try again, or look at its logs") from None
        raise TryAgain(f"the connection to {url} broke ({text}); try again") from None


def _find_cause(error: BaseException) -> BaseException:
    """Return the error that explains this one: httpx raises one without a text for most errors of TLS."""
    found = error
    while (inner := error.__cause__ or error.__context__) is not None:
        error = inner
        if isinstance(error, ssl.SSLError) or not str(found):
            found = error
    return found
