"""The site builds without a warning and takes nothing from other machines."""

import re
import shutil
import subprocess
import sys
from html.parser import HTMLParser
from pathlib import Path

import pytest
import yaml
from pages import PAGES, ROOT, blocks_of

pytest.importorskip('zensical', reason='Zensical is not installed: requirements/docs.txt')


@pytest.fixture(scope='module')
def site(tmp_path_factory):
    folder = tmp_path_factory.mktemp('documentation')
    shutil.copytree(ROOT / 'docs', folder / 'docs')
    shutil.copy(ROOT / 'mkdocs.yml', folder)
    zensical = Path(sys.executable).with_name('zensical')
    built = subprocess.run(
        [zensical, 'build', '--clean', '--strict'], cwd=folder, capture_output=True, text=True
    )
    assert built.returncode == 0, built.stdout + built.stderr
    return folder / 'site'


class Addresses(HTMLParser):
    """Collects what a browser loads for a page (``loaded``), and what one can click on."""

    def __init__(self, page):
        super().__init__()
        self.loaded, self.linked = [], []
        self.feed(page.read_text(encoding='utf-8'))

    def handle_starttag(self, tag, attrs):
        values = dict(attrs)
        if tag == 'a':
            self.linked.append(values.get('href') or '')
        if tag in ('script', 'img', 'iframe', 'source', 'video'):
            self.loaded.append(values.get('src') or '')
        elif tag == 'link' and values.get('rel') not in ('canonical', 'prev', 'next'):
            self.loaded.append(values.get('href') or '')


def is_elsewhere(address):
    return re.match(r'\w+:|//', address) is not None


def test_pages_load_nothing_from_elsewhere(site):
    pages = list(site.rglob('*.html'))
    assert len(pages) > 30
    for page in pages:
        loaded = Addresses(page).loaded
        assert loaded
        assert not [address for address in loaded if is_elsewhere(address)], page.name


def test_links_within_the_site_lead_somewhere(site):
    for page in site.rglob('*.html'):
        if page.name == '404.html':  # shown at any depth: its addresses begin at the root
            continue
        linked = {a.partition('#')[0] for a in Addresses(page).linked if not is_elsewhere(a)}
        missing = [a for a in linked if a and not (page.parent / a).exists()]
        assert not missing, page.name


def test_style_sheets_load_nothing_from_elsewhere(site):
    sheets = list(site.rglob('*.css'))
    assert sheets
    for sheet in sheets:
        loaded = re.findall(r'url\(\s*["\']?([^"\')]+)', sheet.read_text(encoding='utf-8'))
        assert not [address for address in loaded if re.match(r'https?:|//', address)], sheet.name


def test_nothing_is_used_for_which_the_theme_fetches_scripts():
    settings = (ROOT / 'mkdocs.yml').read_text(encoding='utf-8')
    assert yaml.safe_load(settings)['theme']['font'] is False
    assert not re.search('repo_url|glightbox|mermaid|mathjax|analytics|https?:', settings)
    assert not [page for page in PAGES if blocks_of(page, 'mermaid', 'pyodide')]


def test_every_page_is_in_the_menu():
    def files(entry):
        if isinstance(entry, str):
            return {entry}
        values = entry.values() if isinstance(entry, dict) else entry
        return set().union(*map(files, values))

    menu = files(yaml.safe_load((ROOT / 'mkdocs.yml').read_text())['nav'])
    docs = ROOT / 'docs'
    assert menu == {page.relative_to(docs).as_posix() for page in docs.rglob('*.md')}


def test_broken_links_are_errors(site):
    page = site.parent / 'docs' / 'index.md'
    text = page.read_text(encoding='utf-8')
    page.write_text(text + '\n[nowhere](no_such_page.md)\n', encoding='utf-8')
    try:
        zensical = Path(sys.executable).with_name('zensical')
        built = subprocess.run(
            [zensical, 'build', '--strict'], cwd=site.parent, capture_output=True, text=True
        )
    finally:
        page.write_text(text, encoding='utf-8')
    assert built.returncode != 0
