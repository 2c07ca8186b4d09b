"""Addresses as people write them."""

import ipaddress
from typing import Final

import polars as pl

MAPPED_IPV4: Final = 0xFFFF


def address_text(address: int) -> str:
    """An address of PACKETS in its usual notation.

    Parameters
    ----------
    address
        128 bits; IPv4 mapped as ``::ffff:a.b.c.d``.

    Examples
    --------
    >>> address_text(0xFFFF_0A4D0001), address_text(0xFD00 << 112 | 1)
    ('10.77.0.1', 'fd00::1')
    """
    if address >> 32 == MAPPED_IPV4:
        return str(ipaddress.IPv4Address(address & 0xFFFFFFFF))
    return str(ipaddress.IPv6Address(address))


def address_texts(addresses: pl.Series) -> pl.Series:
    """A column of addresses as text; each different address is written once.

    Examples
    --------
    >>> address_texts(pl.Series("src", [1, None, 1], dtype=pl.UInt128)).to_list()
    ['::1', None, '::1']
    """
    different = addresses.drop_nulls().unique()
    texts = pl.Series([address_text(address) for address in different], dtype=pl.String())
    return addresses.replace_strict(different, texts, default=None, return_dtype=pl.String()).alias(addresses.name)


def address_numbers(texts: pl.Series) -> pl.Series:
    """A column of addresses as PACKETS has them; each different text is read once.

    Raises
    ------
    ValueError
        If a text is no address.

    Examples
    --------
    >>> address_texts(address_numbers(pl.Series("src", ["10.77.0.1", None, "fd00::1"]))).to_list()
    ['10.77.0.1', None, 'fd00::1']
    """
    different = texts.drop_nulls().unique()
    numbers = pl.Series([_number(text) for text in different], dtype=pl.UInt128())
    return texts.replace_strict(different, numbers, default=None, return_dtype=pl.UInt128()).alias(texts.name)


def _number(text: str) -> int:
    address = ipaddress.ip_address(text)
    return int(address) | (MAPPED_IPV4 << 32 if address.version == 4 else 0)  # noqa: PLR2004


def bracketed_texts(addresses: pl.Series) -> pl.Series:
    """The same for a port to follow: IPv6 in brackets.

    Examples
    --------
    >>> bracketed_texts(pl.Series("src", [1, 0xFFFF_0A4D0001], dtype=pl.UInt128)).to_list()
    ['[::1]', '10.77.0.1']
    """
    texts = address_texts(addresses)
    return pl.select(pl.when(texts.str.contains(":")).then(pl.format("[{}]", texts)).otherwise(texts)).to_series()
