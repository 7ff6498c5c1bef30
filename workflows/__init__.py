"""What happens by itself: rules, schedules and the jobs they set off."""
