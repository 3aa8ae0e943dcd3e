"""From a YAML text to a spec, and every problem on the way: with its line, its fix, and none that follows from another.

`document` reads YAML with line numbers, `keys` finds keys that are not allowed, `partial` keeps what can be read of a
wrong spec, so that the rest is checked too.
"""
