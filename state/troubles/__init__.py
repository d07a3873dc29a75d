"""What troubles charge points: the rules, the index of those in trouble, and figures about a tenant."""

from state.troubles.examination import Figures, examine
from state.troubles.index import list_, list_urgent
from state.troubles.index import read as read_troubles
from state.troubles.kinds import KINDS, Trouble, TroubleKind
from state.troubles.overview import Overview
from state.troubles.overview import read as read_overview

__all__ = [
    "KINDS",
    "Figures",
    "Overview",
    "Trouble",
    "TroubleKind",
    "examine",
    "list_",
    "list_urgent",
    "read_overview",
    "read_troubles",
]
