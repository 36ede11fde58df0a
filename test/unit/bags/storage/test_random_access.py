# SPDX-License-Identifier: Apache-2.0
"""Any message again by where it lies, in every kind of bag."""

import pytest

from anon_ros.bags.storage import open_bag
from anon_ros.bags.storage.random_access import Bookmark, RandomAccess, bookmark
from anon_ros.errors import BagError

STRIDE = 7
MAKERS = {
    'mcap': lambda tools, path: tools.make_mcap(path),
    'mcap, message by message': lambda tools, path: tools.make_ros2(path, 'mcap', 'message'),
    'sqlite3': lambda tools, path: tools.make_ros2(path, 'sqlite3'),
    'sqlite3, message by message': lambda tools, path: tools.make_ros2(path, 'sqlite3', 'message'),
    'ros1': lambda tools, path: tools.make_ros1(path, 'lz4'),
}


@pytest.fixture(params=MAKERS)
def bag(request, tools, tmp_path):
    with open_bag(MAKERS[request.param](tools, tmp_path / 'bag')) as opened:
        yield opened


def test_every_message_is_found_again_in_any_order(bag):
    told = [
        (bookmark(number, message), message.connection, message.log_ns, bytes(message.data))
        for number, file in enumerate(bag.files) for message in file.messages()
    ]
    access = RandomAccess(bag)
    for mark, connection, log_ns, data in told[::-STRIDE] + told[::STRIDE]:
        message = access.read(mark)
        assert (message.connection, message.log_ns) == (connection, log_ns)
        assert bytes(message.data) == data


def test_a_message_that_is_not_there_is_an_error(bag):
    mark = bookmark(0, next(bag.files[0].messages()))
    with pytest.raises(BagError, match='not there'):
        RandomAccess(bag).read(Bookmark(mark.file, mark.piece, 10**9))
