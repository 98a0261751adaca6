"""One change of an environment: whole in the end, or never there."""
