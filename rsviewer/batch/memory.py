"""Tells the C library to keep the memory of freed arrays instead of giving it back and asking for it again."""

import ctypes
import os
from typing import Final

_FROM_SYSTEM: Final = 32 << 20
"""Bytes from which an array is taken from the system by itself, and given back at once: more than any layer of 512 x 512
and its temporaries take, less than a layer that was read decimated."""
_KEPT: Final = 64 << 20
"""Free bytes that are kept for the next arrays: a few tiles. The cache of tiles is bounded by itself."""
_TRIM_THRESHOLD: Final = -1
_MMAP_THRESHOLD: Final = -3
"""Names in glibc's malloc.h."""
_USERS_CHOICE: Final = ("MALLOC_", "GLIBC_TUNABLES")


def keep_freed_memory() -> bool:
    """Has glibc reuse what was freed; called once, before the first tile is read. Elsewhere it does nothing.

    By default arrays of a megabyte come fresh from the system again and again, and every page costs a fault when it is
    first written: 3,600 instead of 2,600 for a tile of six layers while the cache fills, 800 instead of 50 where it was
    emptied and fills again; 1 ms of 27. With a full cache of 1 GB the process holds 1.15 GB instead of 1.10, and no more
    after hundreds of tiles.

    Returns:
        True where it was done. Whoever has set malloc up by the environment is left alone.
    """
    try:
        is_glibc = bool(os.confstr("CS_GNU_LIBC_VERSION"))
    except (AttributeError, ValueError, OSError):
        return False
    if not is_glibc or any(name.startswith(_USERS_CHOICE) for name in os.environ):
        return False
    mallopt = ctypes.CDLL(None).mallopt
    mallopt.argtypes, mallopt.restype = (ctypes.c_int, ctypes.c_int), ctypes.c_int
    return bool(mallopt(_MMAP_THRESHOLD, _FROM_SYSTEM)) and bool(mallopt(_TRIM_THRESHOLD, _KEPT))
