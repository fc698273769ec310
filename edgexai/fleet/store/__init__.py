"""What was received, kept: a journal of what has just arrived, Parquet for everything older."""
