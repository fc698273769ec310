"""What the heatmaps of a fleet say when they are read together."""
