"""What a model is worth and costs: relevance profile, accuracy, fidelity of heatmaps, cost on a board."""
