"""A charge point with a local list, and requests of an operator about the list."""

from typing import Any

from state.keys import ChargePointKeys
from state.tenants.id_tags import fold
from tests.admin.api import TENANT, Api

BASE = f"/v1/tenants/{TENANT}/charge-points/CP-1"
PATH = f"{BASE}/local-list"
KEYS = ChargePointKeys(TENANT, "CP-1")


class Listing:
    """The local list in a charge point.

    Each item of `answers` replaces the answer to one update, in the order of the updates.
    """

    def __init__(self) -> None:
        self.version = 0
        self.tags: dict[str, Any] = {}
        self.answers: list[Any] = []

    def __call__(self, action: str, payload: Any) -> Any:
        if action == "GetLocalListVersion":
            return {"listVersion": self.version}
        assert action == "SendLocalList"
        if self.answers:
            answer = self.answers.pop(0)
            return answer if isinstance(answer, bytes | dict) else {"status": answer}
        if payload["updateType"] == "Full":
            self.tags = {}
        elif payload["listVersion"] <= self.version:
            return {"status": "VersionMismatch"}
        for data in payload["localAuthorizationList"]:
            if "idTagInfo" in data:
                self.tags[fold(data["idTag"])] = data["idTagInfo"]
            else:
                del self.tags[fold(data["idTag"])]
        self.version = payload["listVersion"]
        return {"status": "Accepted"}


def entries(*tags: str) -> list[dict[str, Any]]:
    return [{"id_tag": tag} for tag in tags]


async def put(api: Api, *tags: str) -> dict[str, Any]:
    answer = await api.client.put(PATH, json={"entries": entries(*tags)})
    assert answer.status_code == 200, answer.text
    found: dict[str, Any] = answer.json()
    return found


async def send(api: Api, **wanted: Any) -> dict[str, Any]:
    answer = await api.client.post(f"{PATH}/send", json=wanted)
    assert answer.status_code == 200, answer.text
    found: dict[str, Any] = answer.json()
    return found


async def accepted(api: Api) -> dict[str, Any]:
    found: dict[str, Any] = (await api.client.get(f"{PATH}/accepted")).json()
    return found


def sent(answer: dict[str, Any]) -> list[tuple[str, int, int]]:
    return [(step["update_type"], step["list_version"], step["entries"]) for step in answer["steps"]]
