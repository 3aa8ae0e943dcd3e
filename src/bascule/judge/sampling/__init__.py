"""Raw samples from Prometheus, cut into joint counts of both versions; the plan and the segments they belong to."""
