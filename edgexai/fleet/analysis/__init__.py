"""What the heatmaps of a fleet say when they are read together: pure functions over arrays that give findings."""
