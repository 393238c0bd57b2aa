"""What the package measures its own speed with: scenes, timing, the search for the top rate."""
