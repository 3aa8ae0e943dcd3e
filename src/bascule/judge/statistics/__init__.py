"""Pure statistics on counts, in numpy alone: evidence and its thresholds, bursts, intervals, mix-adjusted values."""
