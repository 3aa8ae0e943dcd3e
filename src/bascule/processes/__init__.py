"""Programs of the operating system: finding them, starting them, watching them, stopping them."""
