"""What the slow reader may repair. repairs.py has the policy of csms."""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from msgspec import Struct


@dataclass(frozen=True, slots=True)
class RepairPolicy:
    """The repairs that are allowed. A field is named by its struct and its attribute."""

    instead: Mapping[tuple[type[Struct], str], str]
    """Value to use if the value of the field is not in the field's enumeration."""
    also_called: Mapping[tuple[type[Struct], str], Mapping[str, str]]
    """Wrong spellings of an enumeration's values, each with the right spelling."""
    rounded: frozenset[tuple[type[Struct], str]]
    """Integer fields whose fraction is rounded."""
    when_absent: Mapping[tuple[type[Struct], str], Any]
    """Value to use if the required field is absent, null or unreadable, where nothing is stored as sent."""
    facts: frozenset[type[Struct]]
    """Messages that are never refused for their content."""
    stand_ins: Mapping[tuple[type[Struct], str], Any]
    """Value to use if the required field is absent, null or unreadable."""
    kept_whole: frozenset[tuple[type[Struct], str]]
    """Fields that csms stores exactly as the charge point sent them. They belong to facts."""
    left_out_of_lists: frozenset[type[Struct]]
    """Types of list entries that are left out of their list if they cannot be read."""
    never_dropped: frozenset[tuple[type[Struct], str]]
    """Optional fields without which a message would say something else."""
    any_json: frozenset[tuple[type[Struct], str]]
    """Text fields that may also be an object, a list or a boolean. The JSON of the value becomes the text."""
    characters_over: int
    """Characters by which a text may exceed its limit."""
