"""SatlasPretrain (SATLAS): images of four sensors over time with labels of 137 categories.

Source: https://github.com/allenai/satlas, archives listed there. Labels and weights ODC-BY, code Apache-2.0, images under the
licences of Copernicus, USGS and USDA. Citation: F. Bastani, P. Wolters, R. Gupta, J. Ferdinando, A. Kembhavi,
"SatlasPretrain: A Large-Scale Dataset for Remote Sensing Image Understanding", ICCV 2023.

Layout (sentinel2_small and naip_small are the same for fewer tiles):

    sentinel2/<image>/{tci,b05,b06,b07,b08,b11,b12}/<col>_<row>.png     zoom 13
    sentinel1/<month>/{vh,vv}/<col>_<row>.png                           zoom 13
    landsat/<month>/{b1 ... b11}/<col>_<row>.png                        zoom 13
    naip/<image>/{tci,ir}/<col>_<row>.png                               zoom 17
    static/<col>_<row>/{vector.json,land_cover.png ...}                 labels of what stays, zoom 13
    dynamic/<col>_<row>/<event>/{vector.json,water.png ...}             labels of what moves or happens, zoom 13
    metadata/*.json                                                     lists of tiles, usable images, their times

Tiles are those of the Web Mercator grid: 512 x 512 pixels of 9.55 m (zoom 13) or 0.597 m (zoom 17) at the equator. All images
have 8 bits; bands of 20 m and coarser may have fewer pixels. 16 x 16 NAIP tiles make a label tile, whose vector labels count
8192 x 8192, one unit for each NAIP pixel.

Validity: a label file that is not there, or a category that a vector.json has not, was not looked for; an empty list of a
category was looked for and not found. 0 is invalid in all raster labels but wildfire. Static labels go with the newest image
of a tile, dynamic ones with the image that their metadata name.

Lists: rows [col, row] of label tiles; "highres" lists mean the NAIP tiles of these, "event" lists the dynamic labels. A row
is dropped with its label tile; a row of an event list with the first event of its tile. The *_property lists name single
features by tile and number: all those of a tile are dropped with it.

Known flaws: raster0.png and raster1.png come from an older training and are described nowhere (allenai/satlas issue 55);
the coding of shadow in cloud.png is told in two ways (3, or the bit 4): both are read; S1 and Landsat images are one a month.
"""

from rsviewer.data.datasets.satlas.adapter import SatlasAdapter

__all__ = ["SatlasAdapter"]
