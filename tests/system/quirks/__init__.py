"""The 51 known faults of real charge points: a row and a simulated charge point for each fault."""
