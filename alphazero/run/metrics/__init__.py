"""Metrics of a run and their sinks: console, JSON lines, TensorBoard, Prometheus."""
