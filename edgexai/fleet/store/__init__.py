"""What was received, kept: a journal of what has just arrived, a Delta table for everything older."""
