"""The archive: finished transactions with their meter values, in files outside the store."""
