"""One report of a sweep: HTML, Markdown, figures, and every table as CSV and LaTeX."""

from hpmkd.analysis.report.write import write_report

__all__ = ["write_report"]
