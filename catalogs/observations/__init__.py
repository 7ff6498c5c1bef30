"""Observations of stations and instruments as they come in, and commands that go out to them."""
