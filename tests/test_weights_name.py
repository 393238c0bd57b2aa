"""Names of weights name files in the folder that was asked for, and nothing elsewhere."""

import pytest

from fsanet_ros.tools import models, train


@pytest.mark.parametrize('name', ['../../x', '/tmp/x', 'a/b', '.hidden', '', 'a\nb', '-x'])
@pytest.mark.parametrize(
    ('main', 'arguments'),
    [
        (models.main, ['fuse', 'fsanet_1x1', 'fsanet_1x1']),
        (models.main, ['import', 'a.h5']),
        (train.main, []),
    ],
    ids=['fuse', 'import', 'train'],
)
def test_names_of_other_places_are_refused(main, arguments, name, tmp_path, capsys):
    with pytest.raises(SystemExit) as ended:
        main([*arguments, f'--name={name}', '--output', str(tmp_path / 'out')])
    assert ended.value.code == 2
    assert 'names no file: expected letters' in capsys.readouterr().err
    assert not list(tmp_path.iterdir())
