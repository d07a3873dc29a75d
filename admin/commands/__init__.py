"""Commands to charge points. This file exports the types and texts that describe routes with commands."""

from admin.commands.answer import CommandAnswer
from admin.commands.query import PROBLEMS, DeleteQuery, TimeoutQuery, WaitQuery

__all__ = ["PROBLEMS", "CommandAnswer", "DeleteQuery", "TimeoutQuery", "WaitQuery"]
