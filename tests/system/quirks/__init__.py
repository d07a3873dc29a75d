"""The 51 known faults of real charge points: a row for each, and a charge point that behaves like that."""
