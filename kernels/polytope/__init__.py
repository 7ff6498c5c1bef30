"""Exact n-dimensional extraction."""
