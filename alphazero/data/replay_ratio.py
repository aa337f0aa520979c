"""How much the learner may learn from what was played."""

from dataclasses import dataclass


@dataclass
class Pace:
    """A token bucket: every new position earns `samples_per_position` samples, a step spends a
    batch of them.

    So how often a position is trained on is a setting and not an accident of how fast this machine
    plays and learns (KataGo's choice). The bucket is not deeper than `most`: a learner that cannot
    keep up skips the oldest claims instead of falling behind for ever.
    """

    samples_per_position: float
    most: float
    samples: float = 0.0  # that may be spent
    skipped: float = 0.0  # that ran over

    def earn(self, positions: int) -> None:
        self.samples += self.samples_per_position * positions
        overflow = max(0.0, self.samples - self.most)
        self.samples -= overflow
        self.skipped += overflow

    def allows(self, batch_size: int) -> bool:
        return self.samples >= batch_size

    def spend(self, batch_size: int) -> None:
        assert self.allows(batch_size), "the learner took more samples than it may"
        self.samples -= batch_size
