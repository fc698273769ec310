"""What a fleet tells its nodes to do, and their replies."""
