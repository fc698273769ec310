"""The fleet's side: broker, ingest, store, analysis and page."""
