"""Prices of a host as rows of ASSUMPTIONS."""

import polars as pl

from zcanalysis.hosts.host import Host
from zcanalysis.tables import ASSUMPTIONS, polars_schema


def price_rows(host: Host) -> pl.DataFrame:
    """Every price of a host, with its range, origin and source.

    Parameters
    ----------
    host
        Of either generation.
    """
    rows = [
        (name, price.value, price.low, price.high, _unit(name), price.origin, price.source or host.about)
        for name, price in host.prices().items()
    ]
    return pl.DataFrame(rows, schema=polars_schema(ASSUMPTIONS), orient="row")


def _unit(name: str) -> str:
    units = {"ns_per_byte": "ns a byte", "gbps": "Gbit/s", "_ns": "ns"}
    return next((unit for end, unit in units.items() if name.endswith(end)), "")
