"""What the user is doing now: decides what, when and on which thread. No Qt."""
