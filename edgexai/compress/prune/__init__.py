"""Which channels go: what each is worth (`criteria/`), the choice, and the smaller graph."""
