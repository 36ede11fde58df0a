# SPDX-License-Identifier: Apache-2.0
"""Bags are found by the names of files, and names that lead elsewhere are refused."""

import pytest

from anon_ros.errors import InputError, UsageError
from anon_ros.fleet.bags import find_bags, fingerprint
from anon_ros.fleet.local_place import LocalPlace
from anon_ros.fleet.place import FileInfo


def found(*names):
    return find_bags(FileInfo(name, 10) for name in names)


def bags(*names):
    return {bag.name: len(bag.files) for bag in found(*names).bags}


def test_a_folder_with_metadata_is_one_recording_whatever_its_files_are_called():
    assert bags('v1/drive/metadata.yaml', 'v1/drive/a.mcap', 'v1/drive/b.mcap',
                'v1/drive/notes.txt') == {'v1/drive': 3}


def test_files_numbered_under_their_folders_name_are_one_recording_without_metadata():
    assert bags('drive/drive_0.db3', 'drive/drive_10.db3') == {'drive': 2}
    assert bags('drive/drive_0.db3', 'drive/other.db3') == {
        'drive/drive_0.db3': 1, 'drive/other.db3': 1}


def test_lone_files_are_recordings_of_their_own():
    assert bags('a.mcap', 'b.bag', 'x/c.db3.zstd', 'readme.md') == {
        'a.mcap': 1, 'b.bag': 1, 'x/c.db3.zstd': 1}
    assert found('a.mcap', 'readme.md', 'x/calibration.yaml').other_files == 2


def test_a_folder_with_metadata_and_no_file_is_a_bag_that_will_be_told_of():
    assert bags('drive/metadata.yaml') == {'drive': 1}


def test_what_lies_below_a_bag_belongs_to_it():
    assert bags('drive/metadata.yaml', 'drive/drive_0.mcap', 'drive/old/x.mcap',
                'drive2/x.mcap') == {'drive': 2, 'drive2/x.mcap': 1}


@pytest.mark.parametrize('name', [
    '.anon-fleet/growing/a.work/a.mcap', 'a.partial/bag/a.mcap', 'a.mcap.anon/x.mcap',
    'x/.git/a.bag',
])
def test_hidden_unfinished_and_anonymized_things_are_no_bags(name):
    assert bags(name, 'good.mcap') == {'good.mcap': 1}


def test_a_place_that_is_a_bag_itself_is_named():
    with pytest.raises(UsageError, match='is a bag itself'):
        found('metadata.yaml', 'a.mcap')


@pytest.mark.parametrize('name', [
    '../../etc/cron.d/x.mcap', 'a/../b.mcap', '/etc/x.mcap', 'a//b.mcap', 'a\\..\\b.mcap',
    'a/\0.mcap', './a.mcap',
])
def test_names_that_lead_out_of_the_place_are_refused(name):
    with pytest.raises(InputError, match='not touched'):
        found(name)


def test_a_fingerprint_changes_with_content_size_and_name(tmp_path):
    def of(name, data):
        (tmp_path / name).write_bytes(data)
        place = LocalPlace(tmp_path)
        print_ = fingerprint(find_bags(place.files()).bags[0], place)
        (tmp_path / name).unlink()
        return print_

    data = bytes(200_000)
    prints = {
        of('a.mcap', data), of('a.mcap', data + b'\0'), of('b.mcap', data),
        of('a.mcap', b'1' + data[1:]), of('a.mcap', data[:-1] + b'1'),
    }
    assert len(prints) == 5
    assert of('a.mcap', data) in prints


def test_the_stores_own_tag_stands_for_the_content():
    class Unread:
        def read(self, *_):
            raise AssertionError('read though there is a tag')

    one, two = (find_bags([FileInfo('a.mcap', 5, tag)]).bags[0] for tag in ('x', 'y'))
    assert fingerprint(one, Unread()) != fingerprint(two, Unread())
