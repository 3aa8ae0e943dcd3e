"""What would have fired on a stretch of history, and what to declare."""
