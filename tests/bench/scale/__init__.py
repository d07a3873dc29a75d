"""Measures csms with growing fleets over wss, and a storm of all of them (`make bench-scale`)."""
