"""Log fields, their aliases and units, the built-in formats, the index template."""
