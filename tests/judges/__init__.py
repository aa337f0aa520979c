"""Independent programs that judge ours."""
