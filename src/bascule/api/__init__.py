"""The HTTP API of every role: request and response models, one client, one server factory."""
