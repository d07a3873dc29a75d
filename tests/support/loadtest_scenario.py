"""A scenario whose plan has something of everything."""

from loadtest.scenario.model import Fleet, Group, Scenario, ShellAction, Stage, Target

SCENARIO = Scenario(
    name="test",
    target=Target(url="wss://localhost/{id}"),
    fleet=Fleet(charge_points=40_000),
    groups=(Group(name="all", heartbeat_s=100.0),),
    stages=(
        Stage(name="connect", kind="ramp", seconds=100.0, connected=0.9),
        Stage(name="hold", kind="hold", seconds=60.0),
    ),
    actions=(
        ShellAction(stage="hold", after_s=5.0, name="late", shell="second\x1b[2J"),
        ShellAction(stage="connect", name="early", shell="first"),
    ),
)
