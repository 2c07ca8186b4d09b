"""The text behind an event's name taken apart into fields by name, and one field as a typed column.

The kernel prints most events as `name=value name=value`, some as `name: value, name: value`, a few as a sentence. A
value reaches to the next name, so it may hold spaces. Sentences have a rule each, with the field names of the event's
format file; what has no rule has no fields and stays readable in `payload`.
"""

import re
from typing import Final

import polars as pl

# Separators that no kernel text contains: between fields, and between a name and its value.
FIELD: Final = "\x1e"
VALUE: Final = "\x1f"
NAME: Final = r"(?:^|[\s,;({\[]+)([A-Za-z_][\w.\[\]-]*)(?:=|:\s+)"
# event text, rewritten with the names of the event's format
SENTENCES: Final = (
    (
        r"^napi poll on napi struct (\S+) for device (\S+) work (-?\d+) budget (-?\d+)",
        "napi=$1 dev_name=$2 work=$3 budget=$4",
    ),
    (r"^napi poll on napi struct (\S+) for device (\S+)$", "napi=$1 dev_name=$2"),
    (r"^NR (-?\d+) = (-?\d+)$", "id=$1 ret=$2"),
    (r"^NR (-?\d+) \((.*)\)$", "id=$1 args=$2"),
    (r"^(0x[0-9a-f]+)$", "ret=$1"),
    (r"^(\S+)\s+<--?\s*(\S+)$", "ip=$1 parent_ip=$2"),
)
# Arrows between groups of fields, a bracket that was opened before the name, quotes.
AROUND: Final = (r"^(.*?) *==>$", r"^([^\[]*)\]$", r"^([^(]*)\)$", r"^([^{]*)\}$", r'^"(.*)"$')
# A command name may look like fields: it is at most 15 bytes and the kernel prints the process id behind it.
ODD_COMMAND: Final = r"comm=.{0,15}[\s,;({\[][A-Za-z_][\w.\[\]-]*(?:=|:\s).{0,15} \w*pid="
COMMAND: Final = re.compile(r"(\w*comm)=(.{0,15}) (?=\w*pid=-?\d)")
KERNEL_POINTER: Final = r"^[0-9a-f]{16}$"


def payload_fields(payloads: pl.Series) -> pl.Series:
    """Fields of event texts, as the column `fields` of EVENTS.

    Parameters
    ----------
    payloads
        The texts behind the events' names.
    """
    marked = _marked_texts(payloads.fill_null(""))
    parts = marked.str.split(FIELD).alias("part").to_frame().with_row_index("row").explode("part")
    pair = pl.col("part").str.split_exact(VALUE, 1).struct.rename_fields(["name", "value"])
    named = parts.select("row", pair.alias("pair")).unnest("pair")
    fields = named.select("row", pl.struct("name", _bare(pl.col("value"))).alias("fields"))
    rows = fields.group_by("row", maintain_order=True).agg("fields")
    return rows.select(pl.col("fields").list.slice(1)).to_series()  # what stands before the first field has no name


def _marked_texts(payloads: pl.Series) -> pl.Series:
    """The texts with FIELD before and VALUE behind each name."""
    text = payloads
    for sentence, fields in SENTENCES:
        text = text.str.replace(sentence, fields)
    marked = text.str.replace_all(NAME, f"{FIELD}${{1}}{VALUE}")
    odd = payloads.str.contains(ODD_COMMAND).arg_true()
    return marked.scatter(odd, [_marked(payload) for payload in payloads.gather(odd)]) if len(odd) else marked


def field(name: str, dtype: pl.DataType | type[pl.DataType]) -> pl.Expr:
    """One field of EVENTS as a column of this name and type; null where an event lacks it or it does not fit.

    Parameters
    ----------
    name
        Name of the field; the first of that name counts.
    dtype
        Integers are read decimal, hexadecimal (`0x…`, or a bare kernel address of 16 digits) and with a unit behind
        them; addresses need UInt64.

    Examples
    --------
    >>> events = pl.DataFrame({"fields": [[{"name": "len", "value": "60"}, {"name": "skbaddr", "value": "0xff"}]]})
    >>> events.select(field("len", pl.Int64), field("skbaddr", pl.UInt64)).row(0)
    (60, 255)
    """
    named = pl.when(pl.element().struct.field("name") == name).then(pl.element().struct.field("value"))
    value = pl.col("fields").list.eval(named).list.drop_nulls().list.first()
    if not dtype.is_integer():
        return value.cast(dtype, strict=False).alias(name)
    pointer = value.str.contains(KERNEL_POINTER) & value.str.contains("[a-f]")
    digits = pl.when(pointer).then(value).otherwise(value.str.extract(r"^0[xX]([0-9a-fA-F]{1,16})\b"))
    hexadecimal = digits.str.to_integer(base=16, dtype=pl.UInt64, strict=False)
    decimal = value.str.extract(r"^([+-]?\d+)(?:[^\w.]|$)").cast(dtype, strict=False)
    return pl.coalesce(hexadecimal.cast(dtype, strict=False), decimal).alias(name)


def _bare(value: pl.Expr) -> pl.Expr:
    """The value without what the kernel prints around fields."""
    bare = value.str.strip_chars(" \t,;")
    for around in AROUND:
        bare = bare.str.replace(around, "$1")
    return bare


def _marked(payload: str) -> str:
    marked = ""
    end = 0
    for command in COMMAND.finditer(payload):
        before = re.sub(NAME, rf"{FIELD}\1{VALUE}", payload[end : command.start()])
        marked += f"{before}{FIELD}{command[1]}{VALUE}{command[2]}"
        end = command.end()
    return marked + re.sub(NAME, rf"{FIELD}\1{VALUE}", payload[end:])
