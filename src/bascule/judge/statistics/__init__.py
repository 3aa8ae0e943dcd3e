"""Pure statistics on counts, in numpy alone: evidence and its thresholds, bursts, intervals, one mix of segments."""
