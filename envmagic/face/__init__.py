"""What users see: magics, a terminal, tables, widgets."""
