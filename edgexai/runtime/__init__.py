"""What a program on a node imports to explain: `Explainer`, the TFLite runtimes, metadata, the profiler."""
