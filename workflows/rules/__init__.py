"""When this happens, do that: what a rule says, when it fires, and with which parameters."""
