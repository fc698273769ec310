"""A store's frames in files that others read."""
