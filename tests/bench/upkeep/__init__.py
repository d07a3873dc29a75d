"""Measures what idle charge points cost the store, and how they delay another client of it (`make bench`)."""
