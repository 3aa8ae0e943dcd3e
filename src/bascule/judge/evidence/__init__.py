"""One phase weighed: its budget and evidence, its alarms, and the values and intervals that are shown."""
