"""rsviewer: look at every tile of a remote-sensing dataset, decide what is good, export cleaned split lists."""

__version__ = "0.1.0"
