"""Which image the heads belong to, where both come one by one."""

from __future__ import annotations

from collections import OrderedDict
from collections.abc import Hashable
from typing import Generic, TypeVar

ImageType = TypeVar('ImageType')
HeadsType = TypeVar('HeadsType')


class Pairing(Generic[ImageType, HeadsType]):
    """Brings images and the heads in them together by a key, such as stamp and frame."""

    def __init__(self, kept: int = 8) -> None:
        """Begin with nothing; ``kept``: how many images, and how many heads, wait for the other."""
        self._kept = kept
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
            while len(waiting) > self._kept:
                waiting.popitem(last=False)
        return None
