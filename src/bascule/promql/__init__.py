"""Every PromQL expression over the spec's signals: events, ratios, quantiles, mix-adjusted values, traffic."""
