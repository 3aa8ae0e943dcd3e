"""What goes over HTTP: one model for every request and answer of every role."""
