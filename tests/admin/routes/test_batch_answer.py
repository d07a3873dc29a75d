import pytest

from admin.routes.batch_answer import item_of
from state.batches.batches import ItemState


@pytest.mark.parametrize(
    ("detail", "command"), [("cancelled", "a3.x"), ("batch-cancelled", None), ("not-found", None)]
)
def test_an_item_names_its_command_unless_none_was_recorded(detail: str, command: str | None) -> None:
    """A command that waited for its charge point can be read after it was cancelled."""
    item = ItemState("CP-1", "not_sent", detail, 1)
    assert item_of(item, "a3.x").command == command
