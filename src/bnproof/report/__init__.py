"""Evidence documents, tables, figures and the page."""
