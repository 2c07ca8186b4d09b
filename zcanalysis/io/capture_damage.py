"""What of a capture could not be read, counted while its packets go by."""

import polars as pl

from zcanalysis.io.packet_ahead import Decoded
from zcanalysis.io.packet_table import packet_table


class Damage:
    """Damaged records so far, and the first of them."""

    def __init__(self) -> None:
        self.records = 0
        """All of them, the damaged ones included."""
        self.damaged_records = 0
        self.first_error: str | None = None
        """The first one's number in the file, and what is wrong with it."""
        self.last_error: str | None = None
        """Of the last one: it says where the reading ends, if it does."""

    def decoded(self, batch: Decoded) -> None:
        """Count a batch as the decoder gives it."""
        if batch.damaged or batch.failure is not None:
            self.errors(packet_table(batch, ["error"]).get_column("error"))
        else:
            self.records += batch.height

    def errors(self, errors: pl.Series) -> None:
        """Count a batch of PACKETS by its column `error`."""
        damaged = errors.len() - errors.null_count()
        if damaged:
            rows = errors.is_not_null().arg_true()
            first, last = (f"record {self.records + rows[at] + 1}: {errors[rows[at]]}" for at in (0, -1))
            self.first_error, self.last_error = self.first_error or first, last
        self.records += errors.len()
        self.damaged_records += damaged

    @property
    def words(self) -> str | None:
        """One line; None where there is no damage."""
        if not self.damaged_records:
            return None
        told = dict.fromkeys((self.first_error, self.last_error))
        return f"{self.damaged_records:,} of {self.records:,} records damaged; {'; last '.join(map(str, told))}"
