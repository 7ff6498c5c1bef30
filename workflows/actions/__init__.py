"""What rules do: one performer for each kind of action, and the one that chooses among them."""
