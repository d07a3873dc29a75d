"""The check that an answer fits /openapi.json."""

import httpx
import jsonschema  # type: ignore[import-untyped]  # only schemathesis brings it

from tests.admin.api import Api


async def is_documented(api: Api, path: str, response: httpx.Response) -> None:
    """Check an answer. `path` is the part of a documented path after `/charge-points/{charge_point}/`."""
    document = (await api.client.get("/openapi.json")).json()
    operations = document["paths"][f"/v1/tenants/{{tenant}}/charge-points/{{charge_point}}/{path}"]
    operation = operations[response.request.method.lower()]
    content = operation["responses"][str(response.status_code)]["content"]["application/json"]
    jsonschema.validate(response.json(), {**content["schema"], "components": document["components"]})
