"""What bench/scale.py is made of: the load, who follows it, and what each part costs."""
