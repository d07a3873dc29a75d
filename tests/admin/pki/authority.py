"""An authority that all tests of a run share, because RSA keys take long to make."""

from datetime import UTC, datetime
from functools import cache

from admin.pki.authority import FAMILIES, Authority, Family, Hierarchy, create

NOW = datetime.now(UTC).replace(microsecond=0)


@cache
def hierarchies() -> dict[Family, Hierarchy]:
    return {family: create(family, "Maker & Söhne", NOW) for family in FAMILIES}


def authority() -> Authority:
    return Authority({family: hierarchy.issuer for family, hierarchy in hierarchies().items()})
