"""From the broker into the store: the service's ear, and at least once made exactly once."""
