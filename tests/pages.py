"""The pages of the documentation and the blocks of code in them."""

from __future__ import annotations

import re
import textwrap
from dataclasses import dataclass
from pathlib import Path

ROOT = Path(__file__).resolve().parent.parent
PAGES = [ROOT / 'README.md', *sorted((ROOT / 'docs').rglob('*.md'))]


@dataclass(frozen=True)
class Block:
    """A fenced block: its language ('' for none), its text, and the line where it begins."""

    language: str
    text: str
    line: int


def name_of(page: Path) -> str:
    return page.relative_to(ROOT).as_posix()


def text_of(page: Path) -> str:
    return page.read_text(encoding='utf-8')


def blocks_of(page: Path, *languages: str) -> list[Block]:
    """Return the blocks of a page in these languages; of all without any."""
    text = text_of(page)
    fences = re.finditer(r'^( *)```(\w*)\n(.*?)^\1```$', text, re.M | re.S)
    blocks = [
        Block(fence[2], textwrap.dedent(fence[3]), text[: fence.start()].count('\n') + 1)
        for fence in fences
    ]
    return [block for block in blocks if not languages or block.language in languages]


def needs_of(block: Block) -> str:
    """Return what a shell block says it needs in its first line; '' if it runs anywhere."""
    first = block.text.splitlines()[0]
    return first[1:].strip() if re.match('# (needs|takes) ', first) else ''


def commands_in(text: str) -> list[str]:
    """Return the lines of a shell block, continued ones joined, comments left out."""
    joined = re.sub(r'\\\n\s*', ' ', text)
    lines = (re.sub(r'(^|\s)#.*', '', line).strip() for line in joined.splitlines())
    return [line for line in lines if line]
