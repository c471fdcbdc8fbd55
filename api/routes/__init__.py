"""The routes: HTTP in, one call of what does the work, HTTP out."""
