"""The durable store of rows: written, queried, forgotten, sent on to a search engine."""
