"""Write the head that RViz shows, meshes/head.dae, from fsanet_ros.geometry.head_mesh."""

from __future__ import annotations

import sys
from pathlib import Path

from fsanet_ros.arrays import FloatArray
from fsanet_ros.geometry.head_mesh import head_mesh, mesh_normals

PATH = Path('meshes/head.dae')
# Collada says what is up and how long a metre is, which STL and OBJ leave to the viewer.
_FILE = """<?xml version="1.0" encoding="utf-8"?>
<!-- Written by fsanet_ros.tools.write_head_mesh. -->
<COLLADA xmlns="http://www.collada.org/2005/11/COLLADASchema" version="1.4.1">
<asset><unit name="meter" meter="1"/><up_axis>Z_UP</up_axis></asset>
<library_geometries><geometry id="head"><mesh>
{sources}<vertices id="vertices"><input semantic="POSITION" source="#positions"/></vertices>
<triangles count="{count}">
<input semantic="VERTEX" source="#vertices" offset="0"/>
<input semantic="NORMAL" source="#normals" offset="0"/>
<p>{triangles}</p>
</triangles>
</mesh></geometry></library_geometries>
<library_visual_scenes><visual_scene id="scene">
<node id="node"><instance_geometry url="#head"/></node>
</visual_scene></library_visual_scenes>
<scene><instance_visual_scene url="#scene"/></scene>
</COLLADA>
"""
_SOURCE = """<source id="{name}">
<float_array id="{name}-array" count="{numbers}">{values}</float_array>
<technique_common><accessor source="#{name}-array" count="{points}" stride="3">
<param name="X" type="float"/><param name="Y" type="float"/><param name="Z" type="float"/>
</accessor></technique_common>
</source>
"""


def collada() -> str:
    """Return the content of the file."""
    vertices, triangles = head_mesh()
    normals = mesh_normals(vertices, triangles)
    return _FILE.format(
        sources=_source('positions', vertices, 4) + _source('normals', normals, 2),
        count=len(triangles),
        triangles=' '.join(map(str, triangles.ravel().tolist())),
    )


def main() -> int:
    """Write the file, from the folder of the checkout."""
    PATH.parent.mkdir(exist_ok=True)
    PATH.write_text(collada(), encoding='utf-8')
    print(f'{PATH}: {PATH.stat().st_size} bytes')
    return 0


def _source(name: str, points: FloatArray, digits: int) -> str:
    # Adding 0.0 turns -0.0 into 0.0.
    values = ' '.join(f'{round(v, digits) + 0.0:g}' for v in points.ravel().tolist())
    return _SOURCE.format(name=name, numbers=points.size, points=len(points), values=values)


if __name__ == '__main__':
    sys.exit(main())
