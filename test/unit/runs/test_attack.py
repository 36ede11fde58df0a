# SPDX-License-Identifier: Apache-2.0
"""Attack a result: who is attacked, what is refused, and where the table goes."""

import shutil

import cv2
import numpy as np
import pytest
from bag_builder import BagBuilder, MagentaDetector, picture

from anon_ros.attacks.region_pixels import RegionPixels
from anon_ros.attacks.reidentification import Reidentification
from anon_ros.audit import rle
from anon_ros.audit.attack_table import read_table
from anon_ros.cli.main import app
from anon_ros.core.regions import Kind, Mask
from anon_ros.core.settings import Settings
from anon_ros.datasets.formats import create_dataset
from anon_ros.datasets.problems import Problems
from anon_ros.datasets.records import ImageRecord, Instance
from anon_ros.errors import InputError
from anon_ros.runs.attack import AttackJob, attack
from anon_ros.runs.attack_sample import Sample
from anon_ros.runs.bag import BagJob, anonymize_bag
from anon_ros.runs.dataset import anonymize_dataset
from anon_ros.runs.dataset_job import DatasetJob
from anon_ros.runs.images import anonymize_images

RAW, JPEG, TEXT = '/camera/image_raw', '/camera/compressed', '/chatter'
SETTINGS = Settings(target=('face',), threads=1)
SIZE_WH = (320, 240)
PLACES = [(20 + 60 * x, 20 + 70 * y) for y in range(3) for x in range(4)]


def fill(builder, frames=8, count=12, first_ns=10**9):
    for i in range(frames):
        stamp_ns = first_ns + i * 10**8
        squares = [(x + i, y) for x, y in PLACES[:count]]
        builder.raw(RAW, stamp_ns, picture(0, SIZE_WH, squares))
        builder.text(TEXT, stamp_ns + 1, f'message {i}')
    return builder


def pixels():
    return [Reidentification(RegionPixels(Kind.FACE), 'pixelate')]


@pytest.fixture
def bags(tmp_path, builder):
    source = fill(builder).write(tmp_path / 'source')
    anonymize_bag(BagJob(source, tmp_path / 'target'), SETTINGS, detector=MagentaDetector())
    return source, tmp_path / 'target'


def test_tracks_of_a_bag_are_attacked_and_the_table_is_kept(bags):
    source, target = bags
    table = attack(AttackJob(source, target, Settings()), attackers=pixels())
    assert table.identities == {'face': 12}
    assert read_table(target / 'anon' / 'attack.json') == table
    assert 'id="attack"' in (target / 'anon' / 'report.html').read_text()
    naive = next(row for row in table.rows if row.strength == 'naive')
    assert naive.samples == 12
    assert naive.chance == pytest.approx(1 / 12)


def test_the_sample_is_no_larger_than_asked(bags):
    seen = []

    class Notes:
        kind = Kind.FACE

        def attack(self, identities):
            seen.extend(identities)
            return []

    job = AttackJob(*bags, Settings(), Sample(identities=10, looks=4))
    table = attack(job, attackers=[Notes()])
    assert len(seen) == 10
    assert all(len(each.looks) == 4 for each in seen)
    assert table.skipped['face: not in the sample'] == 2
    look = seen[0].looks[0]
    differs = (look.clear_bgr != look.hidden_bgr).any(axis=2)
    assert not differs[~look.hole].any()
    assert differs[look.hole].mean() > 0.9
    # Another key: anonymized too, and not like the result.
    assert (look.rekeyed_bgr != look.hidden_bgr)[look.hole].mean() > 0.5
    assert np.array_equal(look.rekeyed_bgr[~look.hole], look.clear_bgr[~look.hole])


def test_too_few_are_refused_and_counted(tmp_path, builder):
    source = fill(builder, count=1).write(tmp_path / 'source')
    anonymize_bag(BagJob(source, tmp_path / 'target'), SETTINGS, detector=MagentaDetector())
    with pytest.raises(InputError, match=r'too few identities.*1 face; at least 10'):
        attack(AttackJob(source, tmp_path / 'target', Settings()), attackers=pixels())
    assert not (tmp_path / 'target' / 'anon' / 'attack.json').exists()


def test_another_bags_result_is_refused_where_they_part(tmp_path, bags):
    other = fill(BagBuilder(), first_ns=2 * 10**9).write(tmp_path / 'other')
    with pytest.raises(InputError, match=r'part at message 1, /chatter at 2000000001 ns'):
        attack(AttackJob(other, bags[1], Settings()), attackers=pixels())


def test_a_longer_result_is_refused(tmp_path, bags):
    shorter = fill(BagBuilder(), frames=5).write(tmp_path / 'shorter')
    with pytest.raises(InputError, match='after 10 messages of the source the result goes on'):
        attack(AttackJob(shorter, bags[1], Settings()), attackers=pixels())


@pytest.fixture
def folders(tmp_path):
    """A folder for each of 12 people, three photos each, and the anonymized copy."""
    source = tmp_path / 'source'
    for person in range(12):
        folder = source / f'person {person:02}'
        folder.mkdir(parents=True)
        for i in range(3):
            cv2.imwrite(str(folder / f'{i}.png'), picture(person, squares=((20 + i, 16),)))
    anonymize_images(source, tmp_path / 'target', SETTINGS, detector=MagentaDetector())
    return source, tmp_path / 'target'


def test_a_folder_for_each_person(folders):
    table = attack(AttackJob(*folders, SETTINGS), attackers=pixels())
    assert table.identities == {'face': 12}
    assert {row.samples for row in table.rows} == {12}


def test_regions_are_found_again_where_nobody_wrote_them_down(folders):
    source, target = folders
    shutil.rmtree(target / 'anon')
    table = attack(
        AttackJob(source, target, SETTINGS), attackers=pixels(), detector=MagentaDetector())
    assert table.identities == {'face': 12}


def test_images_that_only_one_folder_has_are_named(folders):
    source, target = folders
    (target / 'person 03' / '1.png').unlink()
    with pytest.raises(InputError, match=r'lacks 1 images, the first is person 03/1\.png'):
        attack(AttackJob(source, target, SETTINGS), attackers=pixels())


def test_images_of_another_size_are_named(folders):
    source, target = folders
    path = target / 'person 03' / '1.png'
    cv2.imwrite(str(path), cv2.resize(cv2.imread(str(path)), (50, 40)))
    with pytest.raises(InputError, match=r'person 03/1\.png: the source has 96x64 px.* 50x40'):
        attack(AttackJob(source, target, SETTINGS), attackers=pixels())


def test_photos_without_a_face_are_counted(folders):
    source, target = folders
    blank = np.full((64, 96, 3), 90, np.uint8)
    for root in (source, target):
        cv2.imwrite(str(root / 'person 00' / 'blank.png'), blank)
    shutil.rmtree(target / 'anon')
    table = attack(
        AttackJob(source, target, SETTINGS), attackers=pixels(), detector=MagentaDetector())
    assert table.skipped == {'image without a usable face': 1}


@pytest.fixture
def dataset(tmp_path):
    """Twelve images in two towns, and somebody in each."""
    writer = create_dataset(tmp_path / 'source', 'cityscapes', Problems())
    inside = np.zeros(SIZE_WH[::-1], bool)
    inside[60:160, 100:140] = True
    somebody = Instance(
        id='1', category='person', rle=rle.encode(Mask(inside, 0, 0), SIZE_WH))
    for number in range(12):
        name = f'town{number % 2}_000000_{number:06d}'
        png = cv2.imencode('.png', picture(number, SIZE_WH))[1].tobytes()
        writer.add(ImageRecord(name, 'train', f'train/{name}.png', SIZE_WH, (somebody,)), png)
    writer.close()
    return tmp_path / 'source', tmp_path / 'target'


@pytest.mark.parametrize('protocol', ['safe', 'paper'])
def test_everybody_in_a_dataset_is_somebody_else(dataset, protocol):
    """Its folders are towns, its label images are none to attack."""
    settings = Settings(method=('mask-out',), threads=1)
    anonymize_dataset(DatasetJob(*dataset, 'cityscapes', protocol=protocol), settings)
    table = attack(AttackJob(*dataset, Settings()), attackers=[
        Reidentification(RegionPixels(Kind.BODY), 'mask-out')])
    assert table.identities == {'body': 12}
    assert not table.skipped
    # What surrounds a silhouette tells people apart, in gray as well.
    assert {row.excess for row in table.rows if row.strength == 'informed'} == {0.0}


def test_an_image_that_a_dataset_lacks_is_named(dataset):
    anonymize_dataset(DatasetJob(*dataset, 'cityscapes'), SETTINGS)
    path = next(dataset[1].rglob('*_000003_leftImg8bit.png'))
    path.unlink()
    with pytest.raises(InputError, match=rf'lacks 1 images, the first is .*{path.name}'):
        attack(AttackJob(*dataset, Settings()), attackers=pixels())


def test_the_command_ends_with_status_2_where_there_is_nothing_to_attack(tmp_path):
    from typer.testing import CliRunner

    result = CliRunner().invoke(app, ['attack', str(tmp_path / 'none'), str(tmp_path / 'gone')])
    assert result.exit_code == 2
    assert 'gone' in result.output or 'none' in result.output
