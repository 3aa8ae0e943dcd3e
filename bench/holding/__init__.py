"""What bench/held.py and bench/day.py are made of: a whole stack, who sends it load, and what is seen of it."""
