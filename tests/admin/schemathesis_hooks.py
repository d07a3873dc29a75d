"""What schemathesis cannot know: which resources exist, and values that depend on earlier requests.

tests/admin/test_schemathesis.py gives the names of the resources in the environment.
"""

import json
import os
from typing import Any

import schemathesis
from schemathesis import Case
from schemathesis.core.parameters import ParameterLocation

EXISTING: dict[str, str] = json.loads(os.environ["SCHEMATHESIS_EXISTING"])
"""A name that exists, by the part of the path: a request with a wrong body is to be refused for its body."""


@schemathesis.hook
def before_call(_context: Any, case: Case[Any], _kwargs: Any) -> None:
    """Ask for what exists, and leave out what csms refuses without an earlier request."""
    meta = case.meta
    if meta is None:
        return
    if not meta.is_negative_at(ParameterLocation.PATH):
        case.path_parameters = _name_existing(case)
    if not meta.is_negative_at(ParameterLocation.QUERY) and case.query:
        # csms refuses a cursor that it did not make.
        case.query = {name: value for name, value in case.query.items() if name not in {"cursor", "after"}}
        if "wait" in case.query:
            case.query["wait"] = 0
    if not meta.is_negative_at(ParameterLocation.HEADER) and case.headers:
        # csms refuses an Idempotency-Key that came with another body before.
        case.headers.pop("Idempotency-Key", None)
        if case.method == "DELETE":
            # Schemathesis also deletes what does not exist, which is 404, and with If-Match 412.
            case.headers.pop("If-Match", None)
        elif "If-Match" in case.headers:
            case.headers["If-Match"] = "*"


def _name_existing(case: Case[Any]) -> dict[str, Any]:
    given = dict(case.path_parameters or {})
    last = case.operation.path.rpartition("/")[2].strip("{}")
    for name in given.keys() & EXISTING.keys():
        if case.method != "DELETE" or name != last:
            given[name] = EXISTING[name]
        elif given[name] == EXISTING[name]:
            given[name] += "0"  # The other requests need what exists.
    return given
