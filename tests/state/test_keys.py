"""Names are percent-encoded into keys."""

from urllib.parse import quote

from hypothesis import example, given
from hypothesis import strategies as st

from state import keys


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
