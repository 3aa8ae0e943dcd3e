"""From lines to rows of typed columns with a version, and the counts they add to."""
