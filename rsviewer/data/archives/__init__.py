"""Archives that stay packed: .zip, .tar, .tar.gz and .tgz, read as if they had been unpacked.

`members`, `zips` and `tars` know what an archive says it holds, `table` keeps it, `contents` gets at the bytes, and
`packed` makes a `Tree` of it all.
"""

from rsviewer.data.archives.packed import Packed, archives_in, is_archive, packed, stem_of

__all__ = ["Packed", "archives_in", "is_archive", "packed", "stem_of"]
