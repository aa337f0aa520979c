"""Who plays games for a run: this process, Ray actors, a shared folder, recorded games."""
