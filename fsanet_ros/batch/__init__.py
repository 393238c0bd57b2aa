"""
Head poses of many files: pictures, videos and recordings in, tables and annotated copies out.

The expensive part, faces and rotations of single frames, depends on the frame alone. So it can be
split into jobs in any way, over processes and machines, and gives the same numbers; identities
are worked out afterwards, from the heads of a whole file in order. An image's way: ``inputs``
(which files) - ``jobs`` (which frames of them) - ``readers`` (frames) - ``estimation_job`` (heads)
- ``head_arrays`` (kept on disk, so that a run resumes) - ``sightings`` (identities) - ``tables``,
``annotation``, ``bag_writer``.
"""
