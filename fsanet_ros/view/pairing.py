"""Which image the heads belong to, where both come one by one."""

from __future__ import annotations

from collections import OrderedDict
from collections.abc import Hashable
from typing import Generic, TypeVar

ImageType = TypeVar('ImageType')
HeadsType = TypeVar('HeadsType')

_KEPT = 8  # images, and heads, that wait: a node that takes a quarter of a second at 30 Hz


class Pairing(Generic[ImageType, HeadsType]):
    """Brings images and the heads in them together by a key, such as stamp and frame."""

    def __init__(self) -> None:
        """Begin with nothing."""
        self._images: OrderedDict[Hashable, ImageType] = OrderedDict()
        self._heads: OrderedDict[Hashable, HeadsType] = OrderedDict()

    def add_image(self, key: Hashable, image: ImageType) -> tuple[ImageType, HeadsType] | None:
        """Take an image; return it with its heads if these are there."""
        self._images[key] = image
        return self._matched(key)

    def add_heads(self, key: Hashable, heads: HeadsType) -> tuple[ImageType, HeadsType] | None:
        """Take the heads of an image; return both if the image is there."""
        self._heads[key] = heads
        return self._matched(key)

    def _matched(self, key: Hashable) -> tuple[ImageType, HeadsType] | None:
        if key in self._images and key in self._heads:
            return self._images.pop(key), self._heads.pop(key)
        for waiting in (self._images, self._heads):
            while len(waiting) > _KEPT:
                waiting.popitem(last=False)
        return None
