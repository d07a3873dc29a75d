"""What a run and its thresholds say, for readers who have never seen a load test of charge points."""

from typing import Final

from loadtest.measuring.measures import LATENCIES, what_of
from loadtest.reports.figures import Figures
from loadtest.reports.words import duration, long_time, plural
from loadtest.results import Results
from loadtest.scenario.model import Measure, Scenario, Threshold

_PHASES: Final = {
    "tcp": "from the first packet until the TCP connection was open",
    "tls": "the TLS handshake",
    "upgrade": "from the HTTP request until the connection was a websocket",
    "boot": "from the BootNotification until it was accepted",
    "service": "from the first packet of a connection until its BootNotification was accepted",
    "back": "from the loss of a connection until the charge point was accepted again, with its own waiting",
}
_RANKS: Final[dict[Measure, str]] = {
    "p50": "half of the",
    "p90": "9 of 10",
    "p95": "95 of 100",
    "p99": "99 of 100",
    "p999": "999 of 1,000",
}
_COUNTS: Final[dict[Measure, str]] = {
    "calls": "how many {things} were answered",
    "errors": "how many {things} got an error or no answer",
    "error_share": "the share of {things} that got an error or no answer",
    "late": "calls that left more than 0.1 s after they were due",
    "dropped": "calls that never left, because too many others waited",
    "unanswered": "calls that got no answer in time",
    "connected_share": "the least share of the charge points that was connected, of those that should be",
    "refused": "connections that the central system refused",
    "reconnects": "how often a charge point connected again after it had lost its connection",
    "recovery_s": "the time after a storm until as many charge points were accepted as before",
    "violations": "lost, doubled or changed transactions and meter values, and wrong answers",
    "growth_share": "how much longer the average call took in the last quarter of the soak than in the first",
}
_COUNTS_OF_COMMANDS: Final[dict[Measure, str]] = {
    "calls": "how many {things} ended, whatever their outcome was",
    "errors": "how many {things} ended otherwise than the scenario expects",
    "error_share": "the share of {things} that ended otherwise than the scenario expects",
}
_ALL_ERRORS: Final = "how many calls and commands failed, and how many connections were refused or lost"

COUNTERS: Final = {
    "calls": "calls that were answered",
    "commands": "commands through the admin API that ended",
    "commands_without_charge_point": "commands that were due while no charge point was connected",
    "connections": "connections that were opened",
    "delivered": "messages that had waited in a charge point's queue, and were acknowledged later",
    "dropped": "calls that never left, because too many others waited",
    "errors": "failed calls and commands, refused and failed connections, lost connections",
    "exhausted": "connections that found no free port, file or memory on this machine",
    "failed": "calls that got an error or no answer",
    "given_up": "messages that a charge point gave up after all its attempts",
    "interrupted": "calls whose connection, or the run, ended before the answer",
    "late": "calls and commands that left more than 0.1 s after they were due",
    "late_generator": "of these, those that were late because of the generator itself",
    "offline": "calls that were due while the charge point was offline, and were not sent",
    "queue_full": "meter values that a charge point forgot, because its queue was full",
    "reconnects": "connections of charge points that had lost one before",
    "refused": "connections that the central system refused",
    "sent": "calls that were sent",
    "starts_left_out": "starts that were due while the charge point could not start",
    "stayed_away": "charge points that gave up connecting",
    "unanswered": "calls that got no answer in time",
    "unexpected": "commands with an outcome that the scenario does not expect",
    "unreachable": "connections that failed before the central system answered",
}
"""What the counts of a run are, by their names in its results."""


def describe_run(results: Results) -> str:
    """Return in three short sentences what was done, and how fast it was answered."""
    first, end = results.charge_points
    whole = Figures(results).row("call")
    fleet, time = plural(end - first, "charge point"), long_time(round(results.seconds))
    if whole is None:
        return f"The central system answered no call of {fleet} in {time}."
    failed = results.counts["failed"]
    return (
        f"The central system answered {plural(whole.count, 'call')} of {fleet} in {time}. Half of the "
        f"answers came within {duration(whole.p50)}, 99 of 100 within {duration(whole.p99)}, and the slowest "
        f"after {duration(whole.max)}. {plural(failed, 'call') if failed else 'No call'} failed."
    )


def meaning_of(threshold: Threshold, scenario: Scenario) -> str:
    """Return what the number of a threshold is, as part of a sentence."""
    measure, of = threshold.measure, threshold.of
    what = what_of(of, scenario)
    kind = {"call": "calls", "command": "commands", "phase": "connections"}[what]
    things = kind if of is None or what == "phase" else f"{of} {kind}"
    if measure not in LATENCIES:
        if measure == "errors" and of is None:
            return _ALL_ERRORS
        if what == "phase" and of is not None:
            return f"how often this was measured: {_PHASES[of]}"
        counts = _COUNTS | _COUNTS_OF_COMMANDS if what == "command" else _COUNTS
        return counts[measure].format(things=things)
    match measure:
        case "mean":
            time = f"the average time of {things}"
        case "max":
            time = f"the longest time of {things}"
        case _:
            time = f"the time that {_RANKS[measure]} {things} took at most"
    if what == "phase" and of is not None:
        return f"{time}: {_PHASES[of]}"
    since = "was sent" if threshold.clock == "service" or what == "command" else "was due"
    return f"{time}, from when each {since} until its answer"
