"""How the engine meets the outside: people at a terminal, gymnasium, and (later) protocols."""
