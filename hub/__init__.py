"""Where people come in: identity, servers, services and the dashboard."""
