"""What a scenario file says, and everything that can be wrong with one. Pure."""
