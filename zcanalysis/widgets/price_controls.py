"""A slider for every price of the host, within and beyond its interval."""

from collections.abc import Callable, Mapping
from html import escape
from typing import Final

import ipywidgets
import traitlets

from zcanalysis.exploring import Subject
from zcanalysis.hosts import Price
from zcanalysis.widgets.page_parts import dim, warning

BEYOND: Final = 3.0
"""The slider's end, in upper bounds of the interval."""
STEPS: Final = 300
SAME: Final = 0.51
"""Of a step."""
FOR_NOTHING: Final = 1000.0
UNITS: Final = {
    "ns_per_byte": "ns a byte", "packet_ns": "ns a packet", "skb_ns": "ns an skb", "ack_ns": "ns an ACK",
    "burst_ns": "ns a burst", "gbps": "Gbit/s",
}  # fmt: skip


class PriceRow:
    """One price.

    Parameters
    ----------
    name
        By section and field: ``copy.ns_per_byte``.
    price
        As the host has it.
    """

    def __init__(self, name: str, price: Price) -> None:
        self.name, self.price, self.unit = name, price, unit_of(name)
        self.value: float | None = None
        """What it was set to; None as it is."""
        most = BEYOND * price.high or FOR_NOTHING
        self.slider = ipywidgets.FloatSlider(
            value=price.value, min=0.0, max=most, step=most / STEPS, readout=False,
            continuous_update=True, layout={"width": "98%"},
            tooltip=f"{name} in {self.unit}: {price.origin}, {price.source}",
        )  # fmt: skip
        self.note = ipywidgets.HTML()
        self._head = ipywidgets.HTML(
            f"<b>{escape(name)}</b> {dim(f'{number_text(price.value)} {self.unit}, {price.origin}')}"
        )
        self._interval = ipywidgets.HTML(_interval_html(price, most))
        whole = {"flex": "0 0 auto", "margin": "0 0 10px 0", "overflow": "visible"}
        self.box = ipywidgets.VBox([self._head, self.slider, self._interval, self.note], layout=whole)
        self.describe()

    def show(self, value: float | None) -> None:
        """Set it; None: as it is.

        Parameters
        ----------
        value
            In its unit; the slider grows to hold it.
        """
        self.value = value
        wanted = self.price.value if value is None else value
        self.slider.max = max(self.slider.max, wanted)
        self.slider.value = wanted
        self.describe()

    def moved_to(self, value: float) -> bool:
        """Take the slider's value; whether that is another one.

        The page rounds to the slider's steps and tells so: what lies within half a step is the same.

        Parameters
        ----------
        value
            Where the slider is.
        """
        if self._is_near(value, self.price.value if self.value is None else self.value):
            return False
        self.value = None if self._is_near(value, self.price.value) else value
        self.describe()
        return True

    def _is_near(self, value: float, other: float) -> bool:
        return abs(value - other) <= SAME * float(self.slider.step)

    def describe(self) -> None:
        """Say where it is: as it is, within its interval, or outside."""
        low, high, value = self.price.low, self.price.high, self.value
        span = f"90 % interval {number_text(low)} to {number_text(high)} {self.unit}"
        if value is None:
            text = dim(f"as it is; {span}" if low < high else "as it is; no interval")
        elif low <= value <= high:
            text = dim(f"set to {number_text(value)} {self.unit}, within the {span}")
        else:
            text = warning(
                f"set to {number_text(value)} {self.unit}, outside the {span}: nothing recorded supports this"
            )
        if text != self.note.value:
            self.note.value = text


class PriceControls:
    """All of them, in path order.

    Parameters
    ----------
    subject
        Of a recording, or a host; without a host there are none.
    on_change
        Told the name of the slider that the user moved.
    """

    def __init__(self, subject: Subject, on_change: Callable[[str], None]) -> None:
        self._on_change, self._silent = on_change, False
        known = {} if subject.host is None else subject.host.prices()
        self.rows = {name: PriceRow(name, price) for name, price in known.items()}
        for row in self.rows.values():
            row.slider.observe(self._moved(row), "value")

    def _moved(self, row: PriceRow) -> Callable[[traitlets.Bunch], None]:
        def told(change: traitlets.Bunch) -> None:
            if not self._silent and row.moved_to(float(change["new"])):
                self._on_change(row.name)

        return told

    @property
    def prices(self) -> dict[str, float]:
        """Those that were set."""
        return {name: row.value for name, row in self.rows.items() if row.value is not None}

    def show(self, prices: Mapping[str, float]) -> None:
        """Set these, and no others, without telling anyone.

        Parameters
        ----------
        prices
            By name; those that the host has not are left out.
        """
        self._silent = True
        try:
            for name, row in self.rows.items():
                row.show(prices.get(name))
        finally:
            self._silent = False


def unit_of(name: str) -> str:
    """The unit that a price's name ends with.

    Examples
    --------
    >>> unit_of("copy.ns_per_byte"), unit_of("reader.wake_ns"), unit_of("link.gbps")
    ('ns a byte', 'ns', 'Gbit/s')
    """
    return next((unit for end, unit in UNITS.items() if name.endswith(end)), "ns")


def number_text(value: float) -> str:
    """A number of four digits, without an exponent.

    Examples
    --------
    >>> number_text(36238.5), number_text(0.062771)
    ('36,238', '0.06277')
    """
    return f"{value:,.0f}" if value >= 1000 else f"{value:.4g}"  # noqa: PLR2004 - where .4g would drop digits


def _interval_html(price: Price, most: float) -> str:
    """The interval as a bar below the slider."""
    left, width = 100 * price.low / most, max(100 * (price.high - price.low) / most, 0.7)
    return f'<div class="zc-interval" aria-hidden="true"><i style="left:{left:.2f}%;width:{width:.2f}%"></i></div>'
