"""What a route that sends a command needs; the module `send` does it."""

from admin.commands.answer import CommandAnswer
from admin.commands.query import PROBLEMS, DeleteQuery, TimeoutQuery, WaitQuery

__all__ = ["PROBLEMS", "CommandAnswer", "DeleteQuery", "TimeoutQuery", "WaitQuery"]
