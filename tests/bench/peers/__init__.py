"""Compares the gateway with other central systems and with two limits, in turns (`make bench-peers`)."""
