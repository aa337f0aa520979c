"""Learning from self-play: records, the replay window, the learner, the loop and its cluster."""
