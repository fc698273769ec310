"""Every figure of `docs/` that is measured: one file a question, `python -m benchmarks NAME`; not in the wheel."""
