"""Rules, their tests, and what services and other tools read of the spec."""
