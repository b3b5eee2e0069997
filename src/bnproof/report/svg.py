"""Minify SVG figures written by Matplotlib to about a fifth of their size.

Matplotlib writes an element for every tick, marker and label, with its full style and coordinates
to a millionth of a point.  Here the unit is a tenth of a point, equal styles share a class,
neighbouring paths of the same style are merged, and many equal markers become one line with
markers.  Nothing is dropped or rasterised.
"""

import cmath
import math
import re
import xml.etree.ElementTree as ET
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass
from itertools import groupby
from typing import Final
from xml.sax.saxutils import escape, quoteattr

from bnproof.report.svg_paths import (
    NUMBER,
    Point,
    Segment,
    moved,
    numbers,
    parsed,
    rounded,
    thinned,
    written,
)

UNIT: Final = 10  # units per point
FEW: Final = 3  # up to this number, markers are shorter as single paths
TICK: Final = 2  # a marker with at most this many segments is drawn as a line

SVG: Final = "{http://www.w3.org/2000/svg}"
HREF: Final = "{http://www.w3.org/1999/xlink}href"
FONT: Final = "'DejaVu Sans'"
# Default properties, which classes override.
DEFAULTS: Final = {
    "path": {"fill": "none", "stroke-linejoin": "round", "stroke-width": "10"},
    "text": {"font-family": f"{FONT},Verdana,Arial,Helvetica,sans-serif", "font-size": "100px"},
}
OMITTED: Final = {  # properties that equal the defaults
    ("stroke-dashoffset", "0"),
    ("stroke-linecap", "butt"),
    ("text-anchor", "start"),
    *(pair for rule in DEFAULTS.values() for pair in rule.items()),
}
# Supported elements and attributes.
KNOWN: Final[Mapping[str, set[str]]] = {
    "svg": {"width", "height", "viewBox", "version"},
    "defs": set(),
    "style": {"type"},
    "clipPath": {"id"},
    "rect": {"x", "y", "width", "height"},
    "g": {"id", "transform", "clip-path", "style"},
    "path": {"id", "d", "style", "clip-path"},
    "use": {HREF, "x", "y", "style"},
    "text": {"x", "y", "style", "transform"},
    "tspan": {"x", "y", "style"},
    "image": {"id", "x", "y", "width", "height", "transform", HREF},
}

Style = Mapping[str, str]


class UnknownSvgError(ValueError):
    """An SVG feature that is not supported here."""


@dataclass(frozen=True)
class Frame:
    """A coordinate frame, in points: rotation by a number of modulus 1, then translation."""

    turn: complex = 1
    origin: Point = 0

    def at(self, point: Point) -> Point:
        """Map a point from this frame to the page."""
        return self.turn * point + self.origin

    def then(self, transform: str) -> "Frame":
        """Return the frame of a transform nested inside this one."""
        frame = self
        for name, arguments in re.findall(r"(\w+)\(([^)]*)\)", transform):
            values = [float(number) for number in NUMBER.findall(arguments)]
            if name == "translate":
                frame = Frame(frame.turn, frame.at(complex(*values)))
            elif name == "rotate":
                turn, centre = cmath.rect(1, math.radians(values[0])), complex(*values[1:])
                frame = Frame(frame.turn * turn, frame.at(centre - turn * centre))
            else:
                raise UnknownSvgError(f"{name}({arguments})")
        return frame


@dataclass(frozen=True)
class Item:
    """A path with its style, a marker with its position, or finished markup."""

    rule: str = ""
    path: tuple[Segment, ...] = ()
    place: Point | None = None
    markup: str = ""

    def alike(self) -> object:
        """Return a key that is equal for items that can be merged."""
        if self.place is not None:
            return self.rule, self.path
        line = self.path and not re.search("fill:|opacity:", self.rule)
        return self.rule if line else id(self)


def minify(svg: str) -> str:
    """Minify a Matplotlib figure; one with unsupported features is returned unchanged.

    Lines deviate by at most 0.1 pt from their points, everything else by at most 0.05 pt.
    """
    try:
        return _Figure(ET.fromstring(svg)).written()
    except UnknownSvgError:
        return svg


class _Figure:
    """A figure with its definitions, style classes and markers."""

    def __init__(self, root: ET.Element) -> None:
        self.root = root
        self.boxes: dict[str, str] = {}
        self.shapes: dict[str, ET.Element] = {}
        self.classes: dict[str, str] = {}
        self.defined = ""
        for element in root.iter():
            tag = element.tag.removeprefix(SVG)
            if tag not in KNOWN or not set(element.attrib) <= KNOWN[tag]:
                raise UnknownSvgError(f"{tag}: {', '.join(element.attrib)}")
            if tag == "clipPath":
                name = self.boxes[f"url(#{element.attrib['id']})"] = f"k{len(self.boxes)}"
                self.defined += f"<clipPath id='{name}'><rect{_box(element[0])}/></clipPath>"
            elif tag == "path" and "id" in element.attrib:
                self.shapes[element.attrib["id"]] = element

    def written(self) -> str:
        items = self._painted(self.root, {}, Frame())
        body = "".join(self._drawn(list(group)) for _, group in groupby(items, Item.alike))
        rules = [f"{tag}{{{_rule(style, ())}}}" for tag, style in DEFAULTS.items()]
        rules += [f".{name}{{{rule}}}" for rule, name in self.classes.items()]
        width, height, box = (self.root.attrib[name] for name in ("width", "height", "viewBox"))
        box = " ".join(f"{float(number) * UNIT:g}" for number in box.split())
        return (
            f"<svg xmlns='http://www.w3.org/2000/svg' width='{width}' height='{height}' "
            f"viewBox='{box}'><style>{escape(''.join(rules))}</style>"
            f"<defs>{self.defined}</defs>{body}</svg>\n"
        )

    def _painted(self, element: ET.Element, inherited: Style, frame: Frame) -> Iterator[Item]:
        for child in element:
            tag = child.tag.removeprefix(SVG)
            style = {**inherited, **self._style(child)}
            if tag == "g":
                items = self._painted(child, style, frame.then(child.get("transform", "")))
                # The parts of an axis do not overlap, so lines can be sorted by style and merged.
                axis = child.get("id", "").startswith("matplotlib.axis")
                yield from _sorted(items) if axis else items
            elif tag == "path":
                path = moved(_parsed(child), frame.origin * UNIT, frame.turn)
                yield Item(_shape_rule(style, path), path)
            elif tag == "use":
                yield self._used(child, style, frame)
            elif tag == "text":
                yield Item(markup=self._text(child, style, frame))
            elif tag == "image":
                yield Item(markup=self._image(child, style))

    def _style(self, element: ET.Element) -> dict[str, str]:
        """Return the style properties of an element, with lengths in units."""
        pairs = (part.split(":", 1) for part in element.get("style", "").split(";") if part.strip())
        style = {name.strip(): value.strip() for name, value in pairs}
        for name, value in style.items():
            if name in ("stroke-width", "stroke-dasharray", "stroke-dashoffset", "font-size"):
                lengths = ",".join(f"{float(part) * UNIT:g}" for part in NUMBER.findall(value))
                style[name] = lengths + "px" * (name == "font-size")
            elif name in ("fill", "stroke"):
                style[name] = re.sub(r"^#(\w)\1(\w)\2(\w)\3$", r"#\1\2\3", value)
            elif name == "font-family" and value.startswith(FONT):
                style[name] = DEFAULTS["text"][name]
            if "url" in value:
                raise UnknownSvgError(value)
        if "clip-path" in element.attrib:
            style["clip-path"] = f"url(#{self.boxes[element.attrib['clip-path']]})"
        return style

    def _used(self, child: ET.Element, style: Style, frame: Frame) -> Item:
        shape = self.shapes[child.attrib[HREF].removeprefix("#")]
        path = _parsed(shape)
        rule = _shape_rule({**style, **self._style(shape)}, path)
        place = frame.at(complex(float(child.get("x", 0)), float(child.get("y", 0)))) * UNIT
        return Item(rule, moved(path, place)) if len(path) <= TICK else Item(rule, path, place)

    def _drawn(self, items: list[Item]) -> str:
        """Write a group of items that can be merged."""
        rule, path = items[0].rule, items[0].path
        places = [item.place for item in items if item.place is not None]
        if items[0].markup:
            return "".join(item.markup for item in items)
        if not places:
            return self._path(rule, written(part for i in items for part in thinned(i.path)))
        if len(places) <= FEW:
            return "".join(self._path(rule, written(moved(path, place), 1)) for place in places)
        return self._markers(rule, path, places)

    def _markers(self, rule: str, path: Iterable[Segment], places: Iterable[Point]) -> str:
        """Write an invisible line with a marker at each point."""
        style = dict(part.split(":", 1) for part in rule.split(";"))
        name = f"m{len(self.defined)}"
        clip = {key: style.pop(key) for key in ("clip-path",) if key in style}
        shape = self._path(_rule(style, ()), written(path, 1))
        self.defined += (
            f"<marker id='{name}' overflow='visible' markerUnits='userSpaceOnUse'>{shape}</marker>"
        )
        spots = [rounded(place) for place in places]
        if style.get("fill") == style.get("stroke") and "opacity" not in rule:
            # With one opaque colour neither order nor duplicates matter.
            spots = sorted(set(spots), key=lambda spot: (spot.real, spot.imag))
        line = [("L" if index else "M", (spot,)) for index, spot in enumerate(spots)]
        return self._path(_rule({**clip, "marker": f"url(#{name})"}, ()), written(line))

    def _path(self, rule: str, data: str) -> str:
        return f"<path{self._class(rule)} d='{data}'/>" if data else ""

    def _class(self, rule: str) -> str:
        if not rule:
            return ""
        return f" class='{self.classes.setdefault(rule, _letters(len(self.classes)))}'"

    def _text(self, element: ET.Element, style: Style, frame: Frame) -> str:
        """Write a label; Matplotlib splits one with mathematics into several pieces."""
        inside = frame.then(element.get("transform", ""))
        origin = complex(float(element.get("x", 0)), float(element.get("y", 0)))
        if inside.turn == 1:
            shift, turned = inside.origin, ""
        else:
            at = rounded(inside.at(origin) * UNIT)
            place = numbers([at.real, at.imag])
            angle = math.degrees(cmath.phase(inside.turn))
            shift, turned = -origin, f" transform='translate({place})rotate({angle:.4g})'"
        head = f"<text{self._class(_rule(style))}{turned}"
        if not len(element):
            place = "" if turned else _xy(origin + shift)
            return f"{head}{place}>{escape(element.text or '')}</text>"
        return f"{head}>{''.join(self._runs(element, shift))}</text>"

    def _runs(self, element: ET.Element, shift: Point) -> Iterator[str]:
        """Merge pieces of a label on the same line and in the same style."""

        def kind(part: ET.Element) -> tuple[str, float]:
            return _rule(self._style(part)), float(part.attrib["y"])

        for (rule, y), group in groupby(element, kind):
            parts = list(group)
            text = "".join(part.text or "" for part in parts)
            xs = [float(x) for part in parts for x in part.attrib["x"].split()]
            if re.fullmatch(r"[\d.\u2212]+", text):
                del xs[1:]  # digits need no explicit positions
            x = " ".join(f"{(value + shift.real) * UNIT:.0f}" for value in xs)
            place = f" x='{x}' y='{(y + shift.imag) * UNIT:.0f}'"
            yield f"<tspan{self._class(rule)}{place}>{escape(text)}</tspan>"

    def _image(self, element: ET.Element, style: Style) -> str:
        """Write an image unchanged, scaled from points to units."""
        names = set(element.attrib) - {"id", HREF}
        attributes = "".join(f" {name}={quoteattr(element.attrib[name])}" for name in sorted(names))
        source = quoteattr(re.sub(r"\s", "", element.attrib[HREF]))
        image = f"<g transform='scale({UNIT})'><image{attributes} href={source}/></g>"
        return f"<g{self._class(_rule(style))}>{image}</g>"


def _parsed(element: ET.Element) -> tuple[Segment, ...]:
    try:
        return parsed(element.get("d", ""), UNIT)
    except ValueError as error:
        raise UnknownSvgError(str(error)) from None


def _sorted(items: Iterable[Item]) -> list[Item]:
    """Sort shapes before text, grouped by style in the order of first occurrence."""
    items = list(items)
    order = {rule: index for index, rule in enumerate(dict.fromkeys(i.rule for i in items))}
    return sorted(items, key=lambda item: (bool(item.markup), order[item.rule]))


def _shape_rule(style: Style, path: tuple[Segment, ...]) -> str:
    """Return the style of a shape, with SVG's default fill, black, unless it is a mere line."""
    return _rule(style if "fill" in style or len(path) <= TICK else {**style, "fill": "#000"})


def _rule(style: Style, omitted: Iterable[tuple[str, str]] = tuple(OMITTED)) -> str:
    pairs = sorted(pair for pair in style.items() if pair not in omitted)
    return ";".join(f"{name}:{value}" for name, value in pairs)


def _letters(index: int) -> str:
    """Short names: a to z, then aa, ab ..."""
    return (_letters(index // 26 - 1) if index >= 26 else "") + chr(ord("a") + index % 26)


def _xy(point: Point) -> str:
    return f" x='{point.real * UNIT:.0f}' y='{point.imag * UNIT:.0f}'"


def _box(rect: ET.Element) -> str:
    names = ("x", "y", "width", "height")
    return "".join(f" {name}='{float(rect.attrib[name]) * UNIT:.0f}'" for name in names)
