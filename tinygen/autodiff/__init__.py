"""The tape, operations on it, and reverse mode."""
