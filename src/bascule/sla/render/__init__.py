"""A report in the forms people read: HTML, PDF, Markdown, CSV and JSON, in English and French."""
