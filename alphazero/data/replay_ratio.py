"""The replay ratio: how many samples the learner may draw per new position."""

from dataclasses import dataclass


@dataclass
class ReplayRatio:
    """A token bucket, in samples: a new position adds `samples_per_position`, a step takes a batch.

    So how often a position is trained on is a setting and does not depend on how fast this machine
    plays and learns (as in KataGo). The bucket holds at most `most` samples: a learner that cannot
    keep up skips the oldest ones instead of falling behind for ever.
    """

    samples_per_position: float
    most: float
    samples: float = 0.0  # available now
    skipped: float = 0.0  # lost to the limit

    def earn(self, positions: int) -> None:
        """Add the samples of new training positions."""
        self.samples += self.samples_per_position * positions
        overflow = max(0.0, self.samples - self.most)
        self.samples -= overflow
        self.skipped += overflow

    def allows(self, batch_size: int) -> bool:
        """Return whether a batch of this many samples is available."""
        return self.samples >= batch_size

    def spend(self, batch_size: int) -> None:
        """Take the samples of one batch."""
        assert self.allows(batch_size), "the learner took more samples than are available"
        self.samples -= batch_size
