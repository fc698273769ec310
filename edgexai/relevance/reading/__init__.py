"""What the rules ask of a graph before anything is written, and a layer as one operator."""
