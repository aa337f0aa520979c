"""Learning: the learner, several devices, averaged weights, checkpoints."""
