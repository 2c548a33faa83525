"""The docks around the panes."""
