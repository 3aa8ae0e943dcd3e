"""One phase weighed: statistics on counts, alarms, and the values and intervals that are shown."""
