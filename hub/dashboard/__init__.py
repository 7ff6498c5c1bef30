"""The dashboard behind the hub's login."""
