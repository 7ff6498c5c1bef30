"""The exports of a cut, as methods that ``.polytope`` inherits."""

from typing import TYPE_CHECKING, Any

import xarray as xr

from .coverage import coverage_of
from .features import features_of, geodataframe_of
from .grid import grid_of
from .layout import dataset_of
from .sampling import sampling_of
from .table import csv_of, dataframe_of

if TYPE_CHECKING:
    import geopandas
    import pandas as pd


class Exports:
    """Writes a cut in the forms that maps, tables and files want.

    Each method reads the cut's values (a lazy cut is computed) and leaves the cut as it is.
    They work on any Dataset or DataArray of the form that ``extract`` gives.
    """

    _cube: Any

    def to_coverage(self) -> dict[str, Any]:
        """The cut as CoverageJSON.

        Returns
        -------
        dict
            A Coverage, or a CoverageCollection where there are parts of several points, dimensions
            that CoverageJSON has not (an ensemble's members) or variables over different
            dimensions. The domain type follows from the dimensions: Point, PointSeries,
            VerticalProfile, MultiPoint, MultiPointSeries, Trajectory or Grid. All in it is
            plain: ``json.dumps(document, indent=2)`` writes it, and
            ``msgspec.json.encode(document)`` quicker. Missing values are None; float32 keep
            their shortest digits.

        Raises
        ------
        BadShape
            If a dimension has no place in CoverageJSON and is too long for a coverage each.

        Examples
        --------
        >>> cube = xr.Dataset({"t": ((), 281.5)}, {"latitude": 51.0, "longitude": 3.0})
        >>> cube.polytope.to_coverage()["domain"]["domainType"]
        'Point'
        """
        return coverage_of(dataset_of(self._cube))

    def to_geojson(self) -> dict[str, Any]:
        """The cut as GeoJSON: a feature for each row of :meth:`to_dataframe`.

        Returns
        -------
        dict
            A FeatureCollection of points, longitudes in -180 to 180. A feature's properties are
            its coordinates (times as ISO 8601) and values; the member ``parameters`` says their
            units and standard names, as CoverageJSON does.

        Raises
        ------
        BadShape
            If the cut has no latitude and longitude.

        Examples
        --------
        >>> cube = xr.Dataset({"t": ((), 281.5)}, {"latitude": 51.0, "longitude": 357.0})
        >>> cube.polytope.to_geojson()["features"][0]["geometry"]["coordinates"]
        [-3.0, 51.0]
        """
        return features_of(dataset_of(self._cube))

    def to_grid(self) -> xr.Dataset:
        """The cut's points put back on the grid's dimensions, within their bounding box.

        Returns
        -------
        Dataset
            ``points`` is replaced by the dimensions that it came from. Where no point lies, there
            is NaN (NaT, or an empty text); integers and truth values become floats for it. Lines
            without a point are put in where the grid is even. Longitudes that cross the seam
            count on from where the cut starts. A cut without ``points`` comes back as it is.

        Raises
        ------
        BadShape
            If the points lie on no grid of a sensible size.

        Examples
        --------
        >>> places = {"lat": ("points", [50.0, 50.0, 51.0]), "lon": ("points", [3.0, 4.0, 3.0])}
        >>> cut = xr.Dataset({"t": ("points", [1.0, 2.0, 3.0])}, places)
        >>> cut.polytope.to_grid().t.values
        array([[ 1.,  2.],
               [ 3., nan]])
        """
        return grid_of(dataset_of(self._cube))

    def to_dataframe(self) -> "pd.DataFrame":
        """The cut as a table: a row for each point at each time, level and other coordinate.

        Returns
        -------
        pandas.DataFrame
            First the coordinates, then the variables, each a column; a plain index.
            ``attrs["columns"]`` holds the attributes of each column, ``attrs["dataset"]`` those
            of the Dataset.

        Examples
        --------
        >>> cube = xr.Dataset({"t": ((), 281.5)}, {"latitude": 51.0, "longitude": 3.0})
        >>> cube.polytope.to_dataframe().columns.to_list()
        ['latitude', 'longitude', 't']
        """
        return dataframe_of(dataset_of(self._cube))

    def to_geodataframe(self) -> "geopandas.GeoDataFrame":
        """The table of :meth:`to_dataframe` with a point geometry for each row.

        Returns
        -------
        geopandas.GeoDataFrame
            In EPSG:4326, longitudes of the geometry in -180 to 180; where the cut has no latitude
            and longitude, in the CRS of its grid mapping.

        Raises
        ------
        BadRequest
            If geopandas is not installed.
        BadShape
            If the cut has neither latitude and longitude nor projected coordinates.
        """
        return geodataframe_of(dataset_of(self._cube))

    def to_csv(self, *, comments: bool = True) -> str:
        """The table of :meth:`to_dataframe` as comma-separated values.

        Parameters
        ----------
        comments : bool
            Whether lines that start with ``#`` say the units and standard name of each column
            first; ``pandas.read_csv(file, comment="#")`` skips them.

        Returns
        -------
        str
            A header line, then the rows; times in ISO 8601, missing values empty.

        Examples
        --------
        >>> cube = xr.Dataset({"t": ((), 281.5)}, {"latitude": 51.0, "longitude": 3.0})
        >>> cube.polytope.to_csv()
        'latitude,longitude,t\\n51.0,3.0,281.5\\n'
        """
        return csv_of(dataset_of(self._cube), comments=comments)

    def to_sampling(self) -> xr.Dataset:
        """The cut as a CF discrete sampling geometry, ready for ``to_netcdf`` and ``to_zarr``.

        Returns
        -------
        Dataset
            With ``featureType`` point, timeSeries, profile, timeSeriesProfile or trajectory. Where
            there are parts, ``row_size`` counts the points of each (contiguous ragged arrays). A
            grid is written as its points. Dimensions such as members come last.

        Raises
        ------
        BadShape
            If the cut has no horizontal coordinates.
        """
        return sampling_of(dataset_of(self._cube))
