"""A validator that csms does not otherwise use accepts the OpenAPI document."""

from openapi_spec_validator import OpenAPIV31SpecValidator

from tests.admin.api import Api


async def test_the_package_openapi_spec_validator_accepts_the_openapi_document(api: Api) -> None:
    document = (await api.client.get("/openapi.json")).json()
    assert list(OpenAPIV31SpecValidator(document).iter_errors()) == []


async def test_a_member_has_the_default_null_only_if_its_schema_allows_null(api: Api) -> None:
    schemas = (await api.client.get("/openapi.json")).json()["components"]["schemas"]
    assert "default" not in schemas["ReserveNow"]["properties"]["parentIdTag"]
    assert schemas["NewReservation"]["properties"]["parent_id_tag"]["default"] is None
