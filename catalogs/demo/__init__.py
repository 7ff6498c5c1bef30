"""The demo lake: real data that pip brings."""
