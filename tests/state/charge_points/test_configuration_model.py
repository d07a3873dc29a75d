"""After reports, changes and boots in any order, the stored configuration equals a model of two dicts."""

from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from state import charge_points
from state.charge_points import Settings, configuration
from state.charge_points.configuration import Change, ReportedKey, fold
from state.store import Store, StoreConfig, open_store
from tests.support.leases import KEYS, claimed

NAME = ("acme", "CP-1")
NAMES = st.sampled_from(["A", "a", " A", "B", "Ü", "C\n", "AuthorizationKey"])
VALUES = st.sampled_from(["", "1", "x y"])
OPERATIONS = st.one_of(
    st.tuples(
        *(st.just("learn"), st.lists(st.tuples(NAMES, st.none() | VALUES), max_size=3)),
        *(st.lists(NAMES, max_size=2), st.booleans()),
    ),
    st.tuples(
        *(st.just("change"), NAMES, VALUES),
        st.sampled_from(["Accepted", "RebootRequired", "RebootRequired", "NotSupported"]),
    ),
    st.tuples(st.just("boot")),
    st.tuples(st.just("forget")),
)

type Believed = tuple[str | None, bool]
"""The value of a key, and whether the charge point has the key."""


class Run:
    def __init__(self, store: Store) -> None:
        self.store = store
        self.now: dict[str, Believed] = {}
        self.after_boot: dict[str, Believed] = {}

    async def learn(self, reported: list[tuple[str, str | None]], unknown: list[str], complete: bool) -> None:  # noqa: FBT001  Drawn by position.
        await configuration.learn(
            self.store,
            KEYS,
            [ReportedKey(key, value, None) for key, value in reported],
            unknown,
            complete=complete,
        )
        if complete:
            self.now.clear()
        self.now |= {fold(key): (_masked(key, value), True) for key, value in reported}
        self.now |= {fold(key): (None, False) for key in unknown}

    async def change(self, key: str, value: str, outcome: Change) -> None:
        await configuration.change(self.store, KEYS, key, value, outcome)
        believed = (None, False) if outcome == "NotSupported" else (_masked(key, value), True)
        if outcome == "RebootRequired":
            self.after_boot[fold(key)] = believed
        else:
            self.now[fold(key)] = believed
            self.after_boot.pop(fold(key), None)

    async def boot(self) -> None:
        lease = (await claimed(self.store, "a/1")).lease
        await charge_points.boot(self.store, lease, b"{}")
        self.now |= self.after_boot
        self.after_boot.clear()

    async def forget(self) -> None:
        await configuration.forget(self.store, *NAME)
        self.now.clear()
        self.after_boot.clear()

    async def compare(self) -> None:
        found = (await configuration.get(self.store, *NAME)).settings
        known = {fold(one.key): (one.value, one.supported) for one in found}
        waiting = {fold(one.key): one.pending.value for one in found if one.pending is not None}
        assert known == dict.fromkeys(self.after_boot, (None, True)) | self.now
        assert waiting == {name: value for name, (value, _) in self.after_boot.items()}


def _masked(key: str, value: str | None) -> str | None:
    return configuration.MASK if value is not None and configuration.is_secret(key) else value


@settings(max_examples=60, suppress_health_check=[HealthCheck.too_slow, HealthCheck.function_scoped_fixture])
@given(st.lists(OPERATIONS, max_size=15))
async def test_operations_on_the_configuration_in_any_order_have_the_same_results_as_a_simple_model(
    redis_url: str, operations: list[tuple[object, ...]]
) -> None:
    # The test opens a store itself, because an asynchronous fixture ends with the first example.
    async with open_store(StoreConfig(url=redis_url)) as store:
        await store.execute("FLUSHALL")
        await charge_points.put(store, *NAME, Settings())
        run = Run(store)
        for name, *arguments in operations:
            await getattr(run, str(name))(*arguments)
            await run.compare()
