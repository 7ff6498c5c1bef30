"""What data there is, and what has just arrived."""
