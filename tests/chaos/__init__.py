"""Legs that break things under load and judge what is left, run by `make chaos` (docs/chaos.md)."""
