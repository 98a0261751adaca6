"""What is wanted, what is there, and what must change: values in, values out."""
