"""Games that come with the engine; each module defines GAME."""
