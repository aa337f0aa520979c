"""Metrics of a run: console, JSON lines, TensorBoard, Prometheus, the host."""
