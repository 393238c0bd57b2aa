"""The 3D side of the live view: cameras with their pictures, heads, where they look."""

from __future__ import annotations

import math
from collections.abc import Mapping
from dataclasses import replace

import numpy as np
import viser

from fsanet_ros.drawing import color_of
from fsanet_ros.geometry.camera import CameraModel
from fsanet_ros.geometry.face_model import FIVE_POINTS_M
from fsanet_ros.geometry.head_mesh import head_mesh
from fsanet_ros.geometry.position import poses_in_camera
from fsanet_ros.geometry.rotations import HEAD_FROM_FACE
from fsanet_ros.types import FloatArray, Head, Image
from fsanet_ros.view.shown import CAMERA, Shown, ShownHead

# x forward, y left, z up, as robots have it; cameras look along x.
_WORLD_FROM_OPTICAL = np.array([[0.0, 0.0, 1.0], [-1.0, 0.0, 0.0], [0.0, -1.0, 0.0]])
_OPTICAL_WXYZ = (0.5, -0.5, 0.5, -0.5)  # the same as a quaternion
_BETWEEN_CAMERAS_M = 3.0
_FLOOR_M = -0.6
_GAZE_M = 0.7
_FRUSTUM_M = 0.12
_ERROR_SIGMA = math.sqrt(-2.0 * math.log(1.0 / 3.0))  # two thirds of the directions, as drawing
_EYES_M = FIVE_POINTS_M[:2] @ HEAD_FROM_FACE - np.array([0.008, 0.0, 0.0])  # in the face frame
_EYE_M = 0.011
_ATTENTION_COLOR = (90, 255, 120)
_CONE_POINTS = 24
_FOV_RAD = math.radians(50.0)
# Of a camera without calibration, so that something can be shown: a usual webcam's.
_GUESSED_ACROSS_DEG = 60.0

#: Where to look from: position and the point looked at, metres.
VIEWS: Mapping[str, tuple[tuple[float, float, float], tuple[float, float, float]]] = {
    'overview': ((-0.45, 1.2, 0.45), (0.5, 0.08, -0.05)),
    'side': ((0.6, 2.0, 0.1), (0.6, 0.0, 0.0)),
    'top': ((0.59, 0.0, 2.4), (0.6, 0.0, 0.0)),
    'camera': ((-0.45, 0.0, 0.0), (1.0, 0.0, 0.0)),
}


def guessed_camera(image: Image) -> CameraModel:
    """Return a camera for an image of one that is not calibrated: distances are guesses."""
    height, width = image.shape[:2]
    focal_px = max(width, height) / 2 / math.tan(math.radians(_GUESSED_ACROSS_DEG) / 2)
    return CameraModel.pinhole(width, height, focal_px)


class Scene:
    """What stands in the 3D view; all calls from one thread."""

    def __init__(self, server: viser.ViserServer) -> None:
        """Put the floor in and choose where to look from."""
        self._server = server
        self._cameras: dict[str, _CameraNodes] = {}
        server.scene.set_up_direction('+z')
        server.scene.add_grid(
            '/floor',
            width=12.0,
            height=12.0,
            cell_size=0.25,
            cell_color=(70, 74, 82),
            section_color=(105, 110, 120),
            position=(0.0, 0.0, _FLOOR_M),
        )
        position, target = VIEWS['overview']
        server.initial_camera.position = position
        server.initial_camera.look_at = target
        server.initial_camera.fov = _FOV_RAD

    def show(self, shown: Shown, image: Image, picture: Image) -> None:
        """
        Show what one camera sees now.

        :param image: as the camera gave it; only its size counts
        :param picture: what stands in the frustum, uint8 [h, w, 3] RGB
        """
        nodes = self._cameras.get(shown.source)
        if nodes is None:
            nodes = _CameraNodes(self._server, shown.source, len(self._cameras))
            self._cameras[shown.source] = nodes
        nodes.show(shown, image, picture)


class _CameraNodes:
    """One camera and the heads that it sees, in its optical frame."""

    def __init__(self, server: viser.ViserServer, source: str, index: int) -> None:
        self._scene = server.scene
        self._name = f'/camera_{index}'
        # Side by side, until it is known where they stand.
        place = (0.0, -_BETWEEN_CAMERAS_M * index, 0.0)
        self._frame = self._scene.add_frame(
            self._name, show_axes=False, wxyz=_OPTICAL_WXYZ, position=place
        )
        self._frustum: viser.CameraFrustumHandle | None = None
        self._heads: dict[str, _HeadNodes] = {}

    def show(self, shown: Shown, image: Image, picture: Image) -> None:
        camera = shown.camera or guessed_camera(image)
        if shown.place is not None:
            self._frame.position, self._frame.wxyz = shown.place.position_m, shown.place.wxyz
        self._show_frustum(camera, image, picture)
        heads = {one.id: placed(one.head, camera) for one in shown.heads}
        positions = {i: h.position_m for i, h in heads.items() if h.position_m is not None}
        for gone in self._heads.keys() - positions.keys():
            self._heads.pop(gone).remove()
        for one in shown.heads:
            if one.id in positions:
                if one.id not in self._heads:
                    self._heads[one.id] = _HeadNodes(self._scene, f'{self._name}/{one.id}', one.id)
                self._heads[one.id].show(one, heads[one.id], positions)

    def _show_frustum(self, camera: CameraModel, image: Image, picture: Image) -> None:
        height, width = image.shape[:2]
        if self._frustum is None:
            self._frustum = self._scene.add_camera_frustum(
                f'{self._name}/frustum',
                fov=2.0 * math.atan(height / 2.0 / float(camera.k[1, 1])),
                aspect=width / height,
                scale=_FRUSTUM_M,
                thickness=0.004,
                color=(235, 235, 235),
                image=picture,
                format='jpeg',
                jpeg_quality=70,
            )
        else:
            self._frustum.fov = 2.0 * math.atan(height / 2.0 / float(camera.k[1, 1]))
            self._frustum.image = picture


class _HeadNodes:
    """One head: face, eyes, gaze, the cone of its expected error, name, what it looks at."""

    def __init__(self, scene: viser.SceneApi, name: str, id_: str) -> None:
        color = color_of(id_)
        self._frame = scene.add_frame(name, show_axes=False)
        turned = f'{name}/turned'
        self._turned = scene.add_frame(turned, show_axes=False)
        vertices, triangles = head_mesh()
        scene.add_mesh_simple(f'{turned}/skin', vertices, triangles, color=color, side='double')
        for side, eye in zip(('right', 'left'), _EYES_M, strict=True):
            scene.add_icosphere(
                f'{turned}/{side}_eye', radius=_EYE_M, color=(25, 25, 30), position=eye
            )
        nose = np.array([[[0.03, 0.0, 0.0], [_GAZE_M, 0.0, 0.0]]])
        scene.add_line_segments(
            f'{turned}/gaze', nose, color, thickness=4.0, thickness_units='screen'
        )
        self._cone = scene.add_mesh_simple(
            f'{turned}/error', *_cone(), color=color, opacity=0.18, side='double'
        )
        self._label = scene.add_label(
            f'{name}/label', id_, position=(0.0, -0.15, 0.08), anchor='bottom-center'
        )
        self._blob = scene.add_icosphere(f'{name}/blob', radius=0.1, color=color, opacity=0.5)
        self._attention = scene.add_line_segments(
            f'{name}/attention',
            np.zeros((1, 2, 3)),
            _ATTENTION_COLOR,
            thickness=3.0,
            thickness_units='screen',
            visible=False,
        )

    def show(self, one: ShownHead, head: Head, positions: Mapping[str, FloatArray]) -> None:
        position = positions[one.id]
        self._frame.position = position
        known = head.rotation_known
        if self._turned.visible != known:
            self._turned.visible = known
        if self._blob.visible == known:
            self._blob.visible = not known
        if known:
            x, y, z, w = head.face_quaternion_xyzw.tolist()
            self._turned.wxyz = (w, x, y, z)
            error_deg = head.expected_error_deg
            if error_deg is not None:
                # Of a vector; two of its three parts turn the nose aside.
                one_axis = math.radians(error_deg) / math.sqrt(3.0)
                wide = math.tan(min(_ERROR_SIGMA * one_axis, 1.0))
                self._cone.scale = (1.0, wide, wide)
            self._cone.visible = error_deg is not None
        text = one.id
        if one.target:
            text += f' → {one.target}, {one.target_s:.0f} s'
        if self._label.text != text:
            self._label.text = text
        target = np.zeros(3) if one.target == CAMERA else positions.get(one.target)
        if target is not None:
            self._attention.points = np.array([[np.zeros(3), target - position]])
        if self._attention.visible != (target is not None):
            self._attention.visible = target is not None

    def remove(self) -> None:
        self._frame.remove()


def placed(head: Head, camera: CameraModel) -> Head:
    """Return a head with a position, guessed by its size where the camera is not calibrated."""
    if head.position_m is not None:
        return head
    rotation = head.rotation_optical if head.rotation_known else np.eye(3)
    squares, landmarks = [head.face.square], [head.face.landmarks]
    (turned,), (position,) = poses_in_camera(rotation[None], squares, landmarks, camera)
    if not np.isfinite(position).all():
        return head
    known = head.rotation_known
    return replace(
        head, position_m=position, rotation_optical=turned if known else head.rotation_optical
    )


def _cone() -> tuple[FloatArray, np.ndarray]:
    """Return a cone along x with a base of as large a radius as it is long."""
    around = np.linspace(0.0, 2.0 * np.pi, _CONE_POINTS, endpoint=False)
    base = np.stack([np.ones_like(around), np.cos(around), np.sin(around)], axis=1)
    vertices = _GAZE_M * np.vstack([[[0.0, 0.0, 0.0]], base])
    k = np.arange(_CONE_POINTS)
    return vertices, np.stack([0 * k, 1 + k, 1 + (k + 1) % _CONE_POINTS], axis=1)
