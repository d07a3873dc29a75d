"""The 51 faults of real charge points: each one's row, and what such a charge point does."""
