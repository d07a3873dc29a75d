"""A text of a query means a number or a truth value only if the parameter has one, and never null."""

from typing import Any, Literal

import msgspec
import pytest

from admin.http.texts import read_texts
from tests.admin.api import TENANT, Api
from tests.admin.problem import is_problem


class Query(msgspec.Struct, forbid_unknown_fields=True):
    count: int | None = None
    share: float | None = None
    on: bool | None = None
    word: Literal["a", "null"] | None = None
    name: str | None = None


@pytest.mark.parametrize(
    ("name", "text", "value"),
    [
        ("count", "7", 7),
        ("count", "-7", -7),
        ("count", "7.0", 7),
        ("count", "7e2", 700),
        ("share", "7", 7),
        ("share", "0.5", 0.5),
        ("on", "true", True),
        ("on", "false", False),
        ("word", "null", "null"),
        ("name", "null", "null"),
        ("name", "7", "7"),
        ("name", "true", "true"),
    ],
)
def test_a_text_is_read_as_the_type_of_its_parameter(name: str, text: str, value: object) -> None:
    found = getattr(msgspec.convert(read_texts({name: text}, Query), Query), name)
    assert (found, type(found)) == (value, float if name == "share" else type(value))


@pytest.mark.parametrize(
    ("name", "text"),
    [
        *((name, text) for name in ("count", "share", "on") for text in ("null", "NULL", "None", "", "x")),
        *(
            ("count", text)
            for text in ("7.5", "1_0", "\N{ARABIC-INDIC DIGIT SEVEN}", " 7", "+7", "0x7", "7e-1")
        ),
        *(("share", text) for text in ("nan", "inf", "-Infinity")),
        *(("on", text) for text in ("1", "0", "TRUE", "yes")),
        ("word", "b"),
    ],
)
def test_a_text_that_means_no_value_of_its_parameter_is_refused(name: str, text: str) -> None:
    with pytest.raises(msgspec.ValidationError):
        msgspec.convert(read_texts({name: text}, Query), Query)


async def test_null_in_a_query_gets_422(api: Api) -> None:
    for path, parameter in (
        ("transactions", "open"),
        ("transactions", "since"),
        ("charge-points/CP-1/charging-profiles", "connector_id"),
        ("charge-points/CP-1/jobs", "limit"),
        ("charge-points", "online"),
    ):
        response = await api.client.get(f"/v1/tenants/{TENANT}/{path}?{parameter}=null")
        is_problem(response, 422, "invalid-request")
        errors: list[dict[str, Any]] = response.json()["errors"]
        assert [error["parameter"] for error in errors] == [parameter]


async def test_a_whole_number_may_be_written_with_a_fraction_of_zero(api: Api) -> None:
    assert (await api.client.get("/v1/tenants?limit=5.0")).status_code == 200
    is_problem(await api.client.get("/v1/tenants?limit=5.5"), 422, "invalid-request")
