"""The built-in dataset: a town, a river and the country around them, computed from a seed, in SynRS3D's layout.

Source: this package; licence: that of the program. 0.5 m a pixel, 512 x 512 tiles that adjoin each other.
Layers: opt and pre_opt (RGB, uint8), gt_nDSM (metres above ground, float32, no nodata tag), DEM (bare ground, metres, float32),
gt_ss_mask (1..8, uint8), gt_cd_mask (0 or 255, uint8). Splits: train.txt and test.txt, 80 to 20.
Known flaws: those in answer_key.json, planted on purpose.

`terrain` is the lie of the land, `plan` and `settle` say what stands where, `ground`, `streets` and `build` paint and raise it,
`light` takes the picture, `scene` makes a tile of it, `defects` spoils some, `write` puts all on disk.
"""

from rsviewer.data.demo.write import DemoResult, write_demo

__all__ = ["DemoResult", "write_demo"]
