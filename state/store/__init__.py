"""The store as the other modules of state/ use it."""

from state.store.config import StoreConfig
from state.store.opening import open_store, start_store
from state.store.store import Store

__all__ = ["Store", "StoreConfig", "open_store", "start_store"]
