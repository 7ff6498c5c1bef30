"""Where people come in: identity, servers, services and the dashboard."""

from ..catalogs.imports import leave_out

leave_out()
