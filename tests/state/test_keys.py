"""Names are percent-encoded into keys."""

from urllib.parse import quote

from hypothesis import example, given
from hypothesis import strategies as st

from state import keys
from state.keys import ChargePointKeys


@given(st.text())
@example("")
@example("CP-1")
@example("a.b_c~d")
@example("CP 1")
@example("CP-1\n")
@example("é-1")
def test_a_name_is_encoded_as_a_part_of_a_url(name: str) -> None:
    assert keys.encode(name) == quote(name, safe="")
    assert keys.decode(keys.encode(name)) == name


@given(st.text(), st.text(), st.integers(1, 2**31 - 1))
def test_the_key_of_a_transaction_is_the_one_that_its_charge_point_has(
    tenant: str, charge_point: str, transaction_id: int
) -> None:
    key = keys.transaction(tenant, charge_point, transaction_id)
    assert key == ChargePointKeys(tenant, charge_point).transaction(transaction_id)
