"""The live table of events."""
