"""Windows that ask. None of them opens by itself while tiles are being stepped through."""
