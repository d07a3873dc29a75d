"""Counts how often Trio runs each task, and so how often it was woken."""

from collections import Counter
from typing import override

from trio.abc import Instrument
from trio.lowlevel import Task


class TaskSteps(Instrument):
    def __init__(self) -> None:
        self.of: Counter[Task] = Counter()

    @override
    def before_task_step(self, task: Task) -> None:
        self.of[task] += 1
