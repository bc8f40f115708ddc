"""What test files share: a NumPy reference, a reader of constructor texts, a runner of documentation."""
