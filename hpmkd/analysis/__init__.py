"""Statistics, conclusions, figures and the report, made from the rows of a sweep."""
