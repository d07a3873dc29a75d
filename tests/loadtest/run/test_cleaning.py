"""`clean` against an admin API that does not answer as it should."""

from collections.abc import Callable

import httpx
import pytest

from loadtest.run import cleaning
from loadtest.run.cleaning import CannotClean, clean

type Handler = Callable[[httpx.Request], httpx.Response]


def listed(*names: str) -> httpx.Response:
    return httpx.Response(200, json={"items": [{"id": name} for name in names], "next": None})


def fail_to_delete(request: httpx.Request) -> httpx.Response:
    if request.method == "GET":
        return listed("LT000000", "LT000001")
    raise httpx.ConnectError("refused")


@pytest.mark.parametrize(
    ("handler", "words"),
    [
        (fail_to_delete, r"did not answer 5 times \(refused\); check --admin-url"),
        (lambda _: httpx.Response(200, text="<html>"), "is not a list of the admin API of csms; check"),
        (lambda _: httpx.Response(200, json={"items": 5}), "is not a list of the admin API of csms; check"),
        (lambda _: httpx.Response(200, content=b"[" * 100_000), "is not a list of the admin API of csms"),
        (lambda _: httpx.Response(401, json=[]), "401 no problem document; check --admin-url"),
    ],
    ids=["away in the middle", "a web page", "another list", "too deep", "a wrong key"],
)
async def test_an_admin_api_that_cannot_be_used_is_named_in_one_error(
    handler: Handler, words: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(cleaning, "_WAIT_S", 0.0)
    async with httpx.AsyncClient(transport=httpx.MockTransport(handler), base_url="http://h") as api:
        with pytest.raises(CannotClean, match=words):
            await clean(api, "LT", on_progress=lambda _: None)
