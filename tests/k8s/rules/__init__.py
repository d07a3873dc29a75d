"""Rules for what the schemas of Kubernetes do not see.

Each rule is a pure function over the objects of one render. It yields sentences: the object, the field, what
is wrong, and what would be right.
"""

import inspect
from collections.abc import Callable, Iterator

from tests.k8s.rules import (
    addresses,
    availability,
    certificates,
    commands,
    custom,
    jobs,
    monitoring,
    network,
    pod_security,
    probes,
    product,
    references,
    scheduling,
    store,
    values,
    volumes,
)
from tests.k8s.rules.objects import Objects, without_nulls

type Rule = Callable[[Objects], Iterator[str]]

_NOT_RULES = {"configured"}

RULES: dict[str, Rule] = {
    name: function
    for module in (
        references,
        pod_security,
        scheduling,
        values,
        availability,
        network,
        product,
        probes,
        store,
        certificates,
        custom,
        monitoring,
        addresses,
        commands,
        jobs,
        volumes,
    )
    for name, function in inspect.getmembers(module, inspect.isgeneratorfunction)
    if function.__module__ == module.__name__ and not name.startswith("_") and name not in _NOT_RULES
}


def judge(objects: Objects) -> dict[str, list[str]]:
    """Return the sentences of each rule that complains."""
    given = [without_nulls(thing) for thing in objects]
    return {name: sentences for name, rule in RULES.items() if (sentences := list(rule(given)))}
