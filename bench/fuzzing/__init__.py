"""What bench/fuzz.py is made of: hostile inputs, what they are given to, and the process that does so."""
