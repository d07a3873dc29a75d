"""The load of a scenario of the load test, in a process of its own: `csms loadtest run`.

The load test compares what was acknowledged with what the admin API shows, and judges its own thresholds. The
update happens during a stage of the scenario, which is made long enough for it.
"""

import subprocess
from pathlib import Path

import httpx
import msgspec
import tomlkit
import trio

from loadtest.reports.headline import bound_of, headline, name_of, value_of
from loadtest.results import Results, read_counter
from loadtest.scenario.reading import read_scenario, read_shipped, shipped_names
from tests.k8s.rolling_update.load import Change, Target
from tests.k8s.rolling_update.pod import CSMS
from tests.support.waiting import until

STAGE = "restart"
ID_TAG = "DEMO"


class _Now(msgspec.Struct):
    stage: str


class LoadTest:
    """A scenario with a stage `restart`. `least_s` is the time that the stage has at least."""

    def __init__(self, scenario: str, charge_points: int, least_s: float) -> None:
        """`scenario` is the name of a shipped one or a path."""
        self.results: Results | None = None
        self._scenario = scenario
        self._scale = charge_points / read_scenario(scenario).fleet.charge_points
        self._least_s = least_s
        self._problems: list[str] = []

    async def run(self, target: Target, change: Change) -> None:
        async with target.tenant.api() as api:
            (await api.put(f"/id-tags/{ID_TAG}", json={})).raise_for_status()
        output = target.directory / "loadtest.json"
        arguments = self._write_files(target)
        with (target.directory / "loadtest.log").open("wb") as log:
            process = await trio.lowlevel.open_process(
                [str(CSMS), "loadtest", "run", *arguments, "--output", str(output), "--progress", "jsonl"],
                stdout=log,
                stderr=subprocess.PIPE,
            )
        try:
            async with trio.open_nursery() as nursery:
                stages = _Stages()
                nursery.start_soon(stages.follow, process)
                await until(lambda: stages.seen >= {STAGE} or stages.over, 600)
                assert not stages.over, (target.directory / "loadtest.log").read_text()
                await change()
                if stages.now != STAGE:
                    self._problems.append(f"the stage {STAGE} was over before the change was")
                await process.wait()
        finally:
            if process.returncode is None:
                process.terminate()
                with trio.CancelScope(shield=True):
                    await process.wait()
        assert output.exists(), (target.directory / "loadtest.log").read_text()
        self.results = msgspec.json.decode(output.read_bytes(), type=Results, dec_hook=read_counter)

    def _write_files(self, target: Target) -> list[str]:
        """Write the scenario and the secrets, and return the arguments that name them."""
        shipped = self._scenario in shipped_names()
        document = tomlkit.parse(
            read_shipped(self._scenario) if shipped else Path(self._scenario).read_text()
        )
        for stage in document["stages"]:
            if stage["name"] == STAGE:
                stage["seconds"] = max(self._least_s, float(stage["seconds"]))
        paths = {name: target.directory / name for name in ("scenario.toml", "token", "api-key")}
        paths["scenario.toml"].write_text(tomlkit.dumps(document))
        paths["token"].write_text(target.tenant.token)
        paths["api-key"].write_text(target.tenant.api_key)
        return [
            *(str(paths["scenario.toml"]), "--scale", repr(self._scale), "--id-tag", ID_TAG),
            *("--url", f"wss://localhost:{target.port}/OCPP16/{target.tenant.id}/{{token}}/{{id}}"),
            *("--ca-file", str(target.ca_file), "--token-file", str(paths["token"])),
            *("--admin-url", target.tenant.admin, "--api-key-file", str(paths["api-key"])),
        ]

    async def find_problems(self, api: httpx.AsyncClient) -> list[str]:
        """An invalid run is no problem: the load test was too slow to judge times, and lost no fact."""
        del api  # The load test has read it.
        results = self.results
        assert results is not None
        assert results.history is not None
        history = results.history
        return [
            *self._problems,
            *([f"the load test could not compare: {history.left_out}"] if history.left_out else []),
            *(f"{finding.kind}: {finding.words}" for finding in history.findings),
            *(f"{one.kind}: {one.words}" for one in results.violations),
            *(
                f"{name_of(one.threshold)} is {value_of(one)}, and was to be {bound_of(one)}"
                for one in results.judged
                if not one.passed and not results.invalid
            ),
            *([] if results.ended == "completed" else [f"the load test was {results.ended}"]),
        ]

    def describe(self) -> dict[str, object]:
        results = self.results
        assert results is not None
        assert results.history is not None
        history = results.history
        return {
            "load test": f"{results.scenario.name}: {headline(results).word}",
            **({"invalid, because": "; ".join(results.invalid)} if results.invalid else {}),
            **{name_of(one.threshold): f"{value_of(one)} ({bound_of(one)})" for one in results.judged},
            "calls answered": results.counts["calls"],
            "reconnects by the load test": results.counts["reconnects"],
            "starts, stops acknowledged": f"{history.starts}, {history.stops}",
            "transactions stored": history.stored,
            "meter values looked for": history.values,
            "sent again, answered as replays": f"{history.retried}, {history.replayed}",
            "lost or stored twice": history.finding_count + sum(results.violation_counts.values()),
        }


class _Stages:
    """The stages of a load test, read from its progress."""

    def __init__(self) -> None:
        self.now = ""
        self.seen: set[str] = set()
        self.over = False

    async def follow(self, process: trio.Process) -> None:
        assert process.stderr is not None
        rest = b""
        async for data in process.stderr:
            *lines, rest = (rest + data).split(b"\n")
            for line in lines:
                if line.startswith(b"{"):
                    self.now = msgspec.json.decode(line, type=_Now).stage
                    self.seen.add(self.now)
        self.over = True
