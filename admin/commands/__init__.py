"""Commands to charge points. The names here describe routes that send commands."""

from admin.commands.answer import CommandAnswer
from admin.commands.query import PROBLEMS, DeleteQuery, TimeoutQuery, WaitQuery

__all__ = ["PROBLEMS", "CommandAnswer", "DeleteQuery", "TimeoutQuery", "WaitQuery"]
