"""The report on a model: sections, each a function from evidence to text, figures and "not assessed"."""
