"""Fixtures that the tests of several commands share."""

from pathlib import Path

import pytest


@pytest.fixture
def config(tmp_path: Path, redis_url: str) -> Path:
    """Write a configuration of an admin process, and return its path."""
    pepper = tmp_path / "pepper"
    pepper.write_text("0123456789" * 4)
    path = tmp_path / "admin.toml"
    path.write_text(f'[store]\nurl = "{redis_url}"\n[security]\npepper_file = "{pepper}"\n')
    return path
