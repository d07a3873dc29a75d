"""After any operations, the stored profiles (the mirror) equal those in an independent charge point."""

from typing import Any

import msgspec
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from state import transactions
from state.features import charging_profiles
from state.features.charging_profiles import Slot, Which
from state.nodes.leases import Lease
from state.store import Store, StoreConfig, open_store
from tests.support.smart_charging import SmartCharging
from tests.support.transactions import ANSWER, a_start, a_stop, claimed

PURPOSES = ("ChargePointMaxProfile", "TxDefaultProfile", "TxProfile")
CONNECTORS = st.integers(0, 2)

SETS = st.tuples(
    st.just("set"), st.integers(1, 6), CONNECTORS, st.sampled_from(PURPOSES), st.integers(0, 1), st.booleans()
)
CLEARS = st.tuples(
    st.just("clear"),
    st.none() | st.none() | st.none() | st.integers(1, 6),
    st.none() | CONNECTORS,
    st.none() | st.sampled_from(PURPOSES),
    st.none() | st.integers(0, 1),
)
STARTS = st.tuples(st.just("start"), st.integers(1, 2))
STOPS = st.tuples(st.just("stop"), st.integers(1, 2))


class Run:
    """Does each operation in the charge point. If it is accepted there, the mirror does the operation too."""

    def __init__(self, store: Store, lease: Lease) -> None:
        self.store, self.lease = store, lease
        self.charge_point = SmartCharging()
        self.begun = 0

    async def step(self, name: str, *args: Any) -> None:
        await getattr(self, name)(*args)
        mirror = await charging_profiles.read(self.store, "demo", self.lease.keys.id)
        mine = {(one.id, one.slot): one.payload for one in mirror.profiles}
        its = {
            (one["chargingProfileId"], Slot(on, one["chargingProfilePurpose"], one["stackLevel"])): one
            for on, one in self.charge_point.profiles
        }
        assert {key: msgspec.json.decode(payload) for key, payload in mine.items()} == its
        assert mirror.doubts == ()

    async def set(self, id_: int, connector: int, purpose: str, level: int, names: bool) -> None:  # noqa: FBT001 drawn
        running = self.charge_point.running.get(connector)
        names = names and running is not None and purpose == "TxProfile"
        profile = {"chargingProfileId": id_, "chargingProfilePurpose": purpose, "stackLevel": level}
        answer = self.charge_point.serve(
            "SetChargingProfile", {"connectorId": connector, "csChargingProfiles": profile}
        )
        if answer["status"] == "Accepted":
            await charging_profiles.install(
                self.store,
                self.lease.keys,
                id_,
                Slot(connector, purpose, level),
                msgspec.json.encode(profile),
                transaction_id=running.transaction_id if names and running is not None else None,
            )

    async def clear(self, *which: Any) -> None:
        names = ("id", "connectorId", "chargingProfilePurpose", "stackLevel")
        asked = {name: value for name, value in zip(names, which, strict=True) if value is not None}
        answer = self.charge_point.serve("ClearChargingProfile", asked)
        step = charging_profiles.clear if answer["status"] == "Accepted" else charging_profiles.doubt
        found = await step(self.store, self.lease.keys, Which(*which), asked=msgspec.json.encode(asked))
        assert bool(found) == (answer["status"] == "Accepted")

    async def start(self, connector: int) -> None:
        if connector not in self.charge_point.running:
            self.begun += 1
            start = a_start(connector_id=connector, meter_start=self.begun)
            started = await transactions.start(self.store, self.lease, start, ANSWER)
            self.charge_point.began(connector, started.id, start.timestamp)

    async def stop(self, connector: int) -> None:
        running = self.charge_point.running.get(connector)
        if running is not None:
            await transactions.stop(self.store, self.lease, a_stop(running.transaction_id), b"")
            self.charge_point.ended(connector)


@settings(max_examples=60, suppress_health_check=[HealthCheck.too_slow, HealthCheck.function_scoped_fixture])
@given(st.lists(SETS | SETS | CLEARS | STARTS | STOPS, max_size=25))
async def test_the_stored_charging_profiles_always_equal_those_of_a_simulated_charge_point(
    redis_url: str, steps: list[tuple[Any, ...]]
) -> None:
    # Each run opens a store, because an asynchronous fixture ends with the first example.
    async with open_store(StoreConfig(url=redis_url)) as store:
        await store.execute("FLUSHALL")
        run = Run(store, await claimed(store))
        for step in steps:
            await run.step(*step)
