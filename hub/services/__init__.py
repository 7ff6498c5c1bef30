"""The hub's HTTP services."""
