"""Shows and asks. The only room that knows Qt."""
