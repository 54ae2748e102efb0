"""The test bed: collector, nginx and floor, started in their own directories, watched, read back."""
