"""What users ask for, step by step: preview, prepare, sync, undo."""
