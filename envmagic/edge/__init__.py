"""The outer world: what is installed, the driver, processes, files."""
