from tests.system.conftest import running

__all__ = ["running"]
