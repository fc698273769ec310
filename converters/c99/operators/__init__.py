"""What each family of operators becomes; `lower.py` has the table."""
