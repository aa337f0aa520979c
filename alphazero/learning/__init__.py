"""Learning: the learner, data parallelism, weight averaging, checkpoints."""
