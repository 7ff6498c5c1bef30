"""The map on which shapes are drawn."""
