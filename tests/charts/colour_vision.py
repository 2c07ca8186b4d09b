"""How colours look: contrast (WCAG 2), how far two are apart (CIEDE2000), and what three kinds of eyes make of them."""

import numpy as np
import numpy.typing as npt

Colours = npt.NDArray[np.float64]

# Machado, Oliveira, Fernandes: A physiologically-based model for simulation of color vision deficiency, IEEE TVCG 15
# (2009), table of severity 1.0; on linear RGB.
VISIONS: dict[str, list[list[float]]] = {
    "all three cones": [[1, 0, 0], [0, 1, 0], [0, 0, 1]],
    "protanopia": [
        [0.152286, 1.052583, -0.204868], [0.114503, 0.786281, 0.099216], [-0.003882, -0.048116, 1.051998],
    ],
    "deuteranopia": [
        [0.367322, 0.860646, -0.227968], [0.280085, 0.672501, 0.047413], [-0.011820, 0.042940, 0.968881],
    ],
    "tritanopia": [
        [1.255528, -0.076749, -0.178779], [-0.078411, 0.930809, 0.147602], [0.004733, 0.691367, 0.303900],
    ],
}  # fmt: skip
# sRGB to CIE XYZ under D65, IEC 61966-2-1
TO_XYZ = np.array([[0.4124, 0.3576, 0.1805], [0.2126, 0.7152, 0.0722], [0.0193, 0.1192, 0.9505]])


def linear(colour: str) -> Colours:
    """`#rrggbb` as linear RGB."""
    parts = np.array([int(colour[at : at + 2], 16) / 255 for at in (1, 3, 5)])
    return np.where(parts <= 0.04045, parts / 12.92, ((parts + 0.055) / 1.055) ** 2.4)


def contrast(one: str, other: str) -> float:
    """Contrast ratio, 1 to 21."""
    dim, bright = sorted(float(TO_XYZ[1] @ linear(colour)) for colour in (one, other))
    return (bright + 0.05) / (dim + 0.05)


def seen(colour: str, vision: str) -> Colours:
    """The colour in CIELAB as this kind of eyes sees it."""
    light = np.clip(np.array(VISIONS[vision]) @ linear(colour), 0, 1)
    x, y, z = (
        np.cbrt(part) if part > (6 / 29) ** 3 else part / (3 * (6 / 29) ** 2) + 4 / 29
        for part in TO_XYZ @ light / TO_XYZ.sum(axis=1)
    )
    return np.array([116 * y - 16, 500 * (x - y), 200 * (y - z)])


def apart(one: Colours, other: Colours) -> float:
    """CIEDE2000 (Sharma, Wu, Dalal, Color Research and Application 30, 2005): 1 is just visible side by side."""
    (l1, a1, b1), (l2, a2, b2) = one, other
    grey = 1 + 0.5 * (1 - _saturation((np.hypot(a1, b1) + np.hypot(a2, b2)) / 2))
    c1, c2 = np.hypot(grey * a1, b1), np.hypot(grey * a2, b2)
    h1, h2 = (np.degrees(np.arctan2(b, grey * a)) % 360 for a, b in ((a1, b1), (a2, b2)))
    turn = (h2 - h1 + 180) % 360 - 180
    hue = (h1 + turn / 2) % 360
    lightness, chroma = (l1 + l2) / 2, (c1 + c2) / 2
    waves = ((-0.17, 1, -30), (0.24, 2, 0), (0.32, 3, 6), (-0.20, 4, -63))
    hue_weight = 1 + sum(height * np.cos(np.radians(times * hue + by)) for height, times, by in waves)
    turned = -np.sin(np.radians(60 * np.exp(-(((hue - 275) / 25) ** 2)))) * 2 * _saturation(chroma)
    off = (lightness - 50) ** 2
    parts = (
        (l2 - l1) / (1 + 0.015 * off / np.sqrt(20 + off)),
        (c2 - c1) / (1 + 0.045 * chroma),
        2 * np.sqrt(c1 * c2) * np.sin(np.radians(turn / 2)) / (1 + 0.015 * chroma * hue_weight),
    )
    return float(np.sqrt(sum(part**2 for part in parts) + turned * parts[1] * parts[2]))


def _saturation(chroma: float) -> float:
    return float(np.sqrt(chroma**7 / (chroma**7 + 25.0**7)))


def least_apart(one: str, other: str) -> float:
    """How far two colours are apart for whoever sees least difference."""
    return min(apart(seen(one, vision), seen(other, vision)) for vision in VISIONS)
