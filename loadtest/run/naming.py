"""The ids and the id tags of charge points: those of the credentials file, or else those of the scenario."""

from loadtest.run.credentials import Row, Secrets
from loadtest.scenario.model import Scenario
from loadtest.scenario.population import charge_point_id, id_tag_of


class Names:
    """`secrets` may have the rows of some of the charge points only."""

    def __init__(self, scenario: Scenario, secrets: Secrets) -> None:
        self._scenario = scenario
        self._secrets = secrets

    def id_of(self, index: int) -> str:
        """Return the id. The id of a charge point whose row is elsewhere is described by its number."""
        if not self._secrets.rows:
            return charge_point_id(self._scenario, index)
        row = self._row(index)
        return f"charge point {index}" if row is None else row.id

    def id_tag_of(self, index: int) -> str:
        row = self._row(index)
        return id_tag_of(self._scenario, index) if row is None or row.id_tag is None else row.id_tag

    def _row(self, index: int) -> Row | None:
        place = index - self._secrets.first
        return self._secrets.rows[place] if 0 <= place < len(self._secrets.rows) else None
