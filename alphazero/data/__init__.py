"""Finished games: records, their store on disk, and the replay window that yields batches."""
