"""Evidence documents, figures, tables and the report page."""
