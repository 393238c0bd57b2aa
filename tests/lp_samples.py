"""Faces in the layout of 300W-LP: the sample files where they are, and generated ones."""

import zipfile
from pathlib import Path

import cv2
import numpy as np
from scipy.io import savemat

SAMPLES = Path(__file__).parents[2] / 'shared' / 'data' / 'format_samples.zip'

# No augmentation and no one kept aside: what is left is to learn the faces by heart.
BY_HEART = """
data: 300w_lp
crop: official
epochs: {epochs}
batch_size: 12
optimizer: adam
learning_rate: 0.004
schedule: cosine
weight_decay: 0
warmup_steps: 0
ema_decay: 0
batch_norm_momentum: 0.1
validation_share: 0
pixel_mean: 0
pixel_scale: 1
augmentation: {{cut_share: 0, black_share: 0, white_share: 0, zoom_share: 0}}
"""


def extract_samples(folder, count=12):
    """Write some of the sample files below a folder; return the data set's root."""
    with zipfile.ZipFile(SAMPLES) as archive:
        names = sorted(n for n in archive.namelist() if n.endswith('.mat') and '300W_LP' in n)
        for name in names[:: len(names) // count][:count]:
            archive.extract(name, folder)
            archive.extract(name.replace('.mat', '.jpg'), folder)
    return folder / '300W_LP'


def generate_samples(root, count=12):
    """Write pictures of a disc with a nose, all on different grounds; return the root."""
    rng = np.random.default_rng(3)
    (root / 'AFW').mkdir(parents=True)
    for number in range(count):
        yaw, pitch, roll = rng.uniform(-60, 60, 3)
        write_face(root / 'AFW' / f'AFW_{number // 4}_1_{number % 4}', yaw, pitch, roll)
    return root


def write_face(stem, yaw_deg, pitch_deg, roll_deg, **content):
    """Write stem.jpg and stem.mat; ``content`` replaces what is in the .mat (None: leaves out)."""
    rng = np.random.default_rng(round(1000 * abs(yaw_deg)))
    coarse = rng.integers(0, 256, (5, 5, 3), np.uint8)
    image = cv2.resize(coarse, (220, 200), interpolation=cv2.INTER_LINEAR)
    cv2.ellipse(image, (110, 100), (50, 60), roll_deg, 0, 360, (120, 160, 200), -1)
    nose = round(110 - 0.6 * yaw_deg), round(100 - 0.6 * pitch_deg)
    cv2.circle(image, nose, 8, (20, 40, 240), -1)
    cv2.imwrite(f'{stem}.jpg', image)
    points = np.array([[70.0, 150.0, 110.0], [60.0, 70.0, 150.0]])
    pose = np.radians([[pitch_deg, yaw_deg, roll_deg]])
    values = {'Pose_Para': np.hstack([pose, [[100.0, 100.0, 0.0, 1.0]]]), 'pt2d': points, **content}
    savemat(f'{stem}.mat', {name: value for name, value in values.items() if value is not None})
