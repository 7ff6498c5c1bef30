"""What happens by itself: rules, schedules and the jobs they set off."""

from ..catalogs.imports import leave_out

leave_out()
