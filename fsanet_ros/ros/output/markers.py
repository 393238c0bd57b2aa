"""Shapes as markers for RViz, each with the name that it has for life, and their end."""

from __future__ import annotations

from collections.abc import Collection, Sequence

from geometry_msgs.msg import Point
from std_msgs.msg import ColorRGBA, Header
from visualization_msgs.msg import Marker, MarkerArray

from fsanet_ros.drawing.lifetimes import Lifetimes
from fsanet_ros.drawing.shapes import Rgba, Shape
from fsanet_ros.geometry.quaternions import Vector
from fsanet_ros.ros.stamps import duration, seconds


class ShownMarkers:
    """
    What viewers show of one camera.

    A marker is deleted with the first image that is without it, and vanishes by itself when no
    image comes any more.
    """

    def __init__(self) -> None:
        """Start with nothing shown."""
        self._lifetimes = Lifetimes()
        self._names: set[tuple[str, int]] = set()
        self._header = Header()

    def update(self, shapes: Sequence[Shape], header: Header) -> MarkerArray:
        """Return the message that shows these shapes of an image, and of this camera no others."""
        before, self._names = self._names, {(s.namespace, s.number) for s in shapes}
        self._header = header
        lifetime = duration(self._lifetimes.after(seconds(header.stamp)))
        markers = _ends(before - self._names, header)
        for shape in shapes:
            marker = _marker(shape)
            marker.header, marker.lifetime = header, lifetime
            markers.append(marker)
        return MarkerArray(markers=markers)

    def ends(self) -> MarkerArray | None:
        """Return the message that ends all that is shown, None if nothing is."""
        return MarkerArray(markers=_ends(self._names, self._header)) if self._names else None


def _ends(names: Collection[tuple[str, int]], header: Header) -> list[Marker]:
    return [
        Marker(header=header, ns=namespace, id=number, action=Marker.DELETE)
        for namespace, number in sorted(names)
    ]


def _marker(shape: Shape) -> Marker:
    # Filled in, not put together: a constructor also makes all that its arguments replace.
    marker = Marker(ns=shape.namespace, id=shape.number, type=int(shape.kind))
    position, orientation = marker.pose.position, marker.pose.orientation
    position.x, position.y, position.z = shape.position
    orientation.x, orientation.y, orientation.z, orientation.w = shape.orientation
    marker.scale.x, marker.scale.y, marker.scale.z = shape.scale
    color = marker.color
    color.r, color.g, color.b, color.a = shape.color
    marker.points = [_point(point) for point in shape.points]
    marker.colors = [_color(rgba) for rgba in shape.colors]
    marker.text, marker.mesh_resource = shape.text, shape.mesh
    return marker


def _point(xyz: Vector) -> Point:
    x, y, z = xyz
    return Point(x=x, y=y, z=z)


def _color(rgba: Rgba) -> ColorRGBA:
    red, green, blue, alpha = rgba
    return ColorRGBA(r=red, g=green, b=blue, a=alpha)
