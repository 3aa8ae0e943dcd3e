"""What an SLA of the spec measures, its budget, burn rates and states."""
