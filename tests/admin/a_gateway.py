"""What a gateway reports about itself, for tests of the list of nodes."""

from state.nodes.nodes import NodeRecord, NodeStatus

RECORD = NodeRecord(
    kind="gateway",
    host="pod-1",
    pid=7,
    started_ms=1_767_225_600_000,
    version="1.2.3",
    format=2,
    status=NodeStatus(sessions=12, draining=True, lag_ms=3.5),
)
