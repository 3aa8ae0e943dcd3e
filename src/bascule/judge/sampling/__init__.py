"""From the spec's signals to counts: what both versions did between two joint evaluations.

spec ──Schema──> columns (one counter of one signal in one segment), strata and pairs
Prometheus ──SampleReader──> growth of counters at the samples' own timestamps ──Alignment──> joint evaluations
"""
