"""Measures what one message and one idle connection cost end to end (`make bench`)."""
