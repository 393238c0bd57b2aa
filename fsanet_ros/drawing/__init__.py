"""Pictures of heads: boxes, axes, where the nose points, labels that can be read."""

from fsanet_ros.drawing.colors import color_of
from fsanet_ros.drawing.heads import draw_axes, draw_heads
from fsanet_ros.drawing.lines import AXIS_COLORS
from fsanet_ros.drawing.words import note_about

__all__ = ['AXIS_COLORS', 'color_of', 'draw_axes', 'draw_heads', 'note_about']
