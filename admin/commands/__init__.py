"""Commands to charge points. This file exports the types and texts that describe routes with commands."""

from admin.commands.answer import CommandAnswer
from admin.commands.query import ONLINE_S, PROBLEMS, DeleteQuery, OnlineWithin, TimeoutQuery, WaitQuery

__all__ = [
    "ONLINE_S",
    "PROBLEMS",
    "CommandAnswer",
    "DeleteQuery",
    "OnlineWithin",
    "TimeoutQuery",
    "WaitQuery",
]
