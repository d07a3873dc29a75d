import pytest

from state.charge_points import denied_certificates
from tests.admin.api import TENANT, Api
from tests.admin.problem import is_problem

PATH = "/v1/denied-certificates"
SERIAL = {"issuer": "CN=Acme issuing CA,O=Acme", "serial_number": "00:3F:07"}


async def test_a_certificate_of_any_authority_can_be_denied_and_allowed_again(api: Api) -> None:
    fingerprint = "AB" * 32
    for body in ({"fingerprint": fingerprint, "why": "stolen"}, SERIAL):
        assert (await api.client.post(PATH, json=body)).status_code == 201
    names = {"ab" * 32, "CN=Acme issuing CA,O=Acme|3f07"}
    assert await denied_certificates.read_all(api.store) == names
    listed = (await api.client.get(PATH)).json()["items"]
    assert {(one["name"], one["why"]) for one in listed} == {
        ("ab" * 32, "stolen"),
        ("CN=Acme issuing CA,O=Acme|3f07", ""),
    }
    for one in listed:
        path = f"{PATH}/{one['name'].replace('|', '%7C').replace(',', '%2C').replace(' ', '%20')}"
        assert (await api.client.delete(path)).status_code == 204
        is_problem(await api.client.delete(path), 404, "not-found")
    assert await denied_certificates.read_all(api.store) == set()


@pytest.mark.parametrize(
    "body", [{}, {"issuer": "CN=x"}, {"serial_number": "1"}, {"fingerprint": "AB" * 32, **SERIAL}]
)
async def test_a_denial_names_its_certificate_in_exactly_one_way(api: Api, body: dict[str, str]) -> None:
    is_problem(await api.client.post(PATH, json=body), 422, "invalid-request")
    assert await denied_certificates.read_all(api.store) == set()


async def test_only_a_key_for_all_tenants_can_deny_certificates(api: Api) -> None:
    headers = await api.as_key([TENANT])
    is_problem(await api.client.get(PATH, headers=headers), 404, "not-found")
    is_problem(await api.client.post(PATH, headers=headers, json=SERIAL), 404, "not-found")
    is_problem(await api.client.delete(f"{PATH}/{'ab' * 32}", headers=headers), 404, "not-found")


async def test_a_certificate_cannot_be_denied_if_the_list_is_full(
    api: Api, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(denied_certificates, "CERTIFICATES_MAX", 0)
    is_problem(await api.client.post(PATH, json=SERIAL), 409, "too-many-denied-certificates")
