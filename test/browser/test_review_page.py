# SPDX-License-Identifier: Apache-2.0
"""
The whole way: a reviewer finds in a browser what the machine missed, and the bag hides it.

Nothing here is played: a real bag, the real command line, a real browser.
"""

import http.server
import shutil
import threading

import pytest
from reviewed import (
    FRAMES,
    JPEG,
    SIZE_WH,
    Reviewed,
    make_result,
    missed_box,
    read,
    shows_yellow,
)

from anon_ros.runs.check import check_seal
from anon_ros.runs.verify import verify_bag

FRAME = 10


@pytest.fixture(scope='module')
def expect():
    return pytest.importorskip('playwright.sync_api').expect


@pytest.fixture(scope='module')
def made(tmp_path_factory):
    return make_result(tmp_path_factory.mktemp('reviewed'))


@pytest.fixture
def reviewed(made, tmp_path):
    shutil.copytree(made.target, tmp_path / made.target.name)
    return Reviewed(made.source, tmp_path / made.target.name)


def open_page(page, address):
    page.goto(address)
    page.locator('body[data-ready]').wait_for()


def go_to(page, expect, number):
    page.keyboard.press('Home')
    expect(page.locator('#where')).to_contain_text(f'frame 1 of {FRAMES}')
    for each in range(number):
        page.keyboard.press('ArrowRight')
        expect(page.locator('#where')).to_contain_text(f'frame {each + 2} of {FRAMES}')


def on_screen(page, x, y):
    """Return where a pixel of the frame is on the screen: it is shown as large as it fits."""
    area = page.locator('#view').bounding_box()
    width, height = SIZE_WH
    scale = min(area['width'] / width, area['height'] / height)
    left = area['x'] + (area['width'] - width * scale) / 2
    top = area['y'] + (area['height'] - height * scale) / 2
    return left + x * scale, top + y * scale


def drag(page, box):
    start, end = on_screen(page, *box[:2]), on_screen(page, *box[2:])
    page.mouse.move(*start)
    page.mouse.down()
    page.mouse.move((start[0] + end[0]) / 2, (start[1] + end[1]) / 2)
    page.mouse.move(*end)
    page.mouse.up()


def test_a_region_drawn_in_the_browser_is_hidden_in_the_bag(
    page, expect, served, anon_ros, reviewed
):
    source, target = reviewed
    before = read(target)
    missed = [i for i, message in enumerate(before)
              if message[0] == JPEG and shows_yellow(message[3])]
    assert len(missed) == 16
    with served(target, '--reviewer', 'anna') as address:
        open_page(page, address)
        # The token is in no address any more, so in no history and on no screen that is shared.
        assert '#' not in page.url
        expect(page.locator('#who')).to_contain_text('anna')
        go_to(page, expect, FRAME)
        page.keyboard.press('d')
        expect(page.locator('#banner')).to_contain_text('Drag around a face')
        drag(page, missed_box(FRAME))
        expect(page.locator('#status')).to_contain_text('Followed through')
        expect(page.locator('#saved')).to_contain_text('Saved')
        expect(page.locator('#pending')).to_contain_text('1 correction saved')
        expect(page.locator('#regions')).to_contain_text('drawn here by anna')
        page.keyboard.press('ArrowRight')
        expect(page.locator('#regions')).to_contain_text('followed by anna')
    # Not before it is applied.
    assert [message[2] for message in read(target)] == [message[2] for message in before]
    done = anon_ros('review', target, '--apply', '--reviewer', 'bert')
    assert done.returncode == 0, done.stderr
    assert 'drawn: face on /camera' in done.stdout
    after = read(target)
    assert not any(shows_yellow(after[i][3]) for i in missed)
    for old, new in zip(before, after, strict=True):
        assert old[:2] == new[:2]
        assert new[0] == JPEG or old[2] == new[2]
    assert check_seal(target, source).ok
    assert verify_bag(source, target, search_every=0).ok


def test_it_works_by_keys_alone_and_can_be_undone(page, expect, served, reviewed):
    with served(reviewed.target) as address:
        open_page(page, address)
        page.keyboard.press('2')
        expect(page.locator('#banner')).to_contain_text('Drag around a person')
        for key in ('ArrowRight', 'ArrowDown', 'Shift+ArrowRight', 'Shift+ArrowDown'):
            page.keyboard.press(key)
        page.keyboard.press('Enter')
        expect(page.locator('#regions .drawn').first).to_be_visible()
        expect(page.locator('#status')).to_contain_text('Followed through')
        page.keyboard.press('u')
        expect(page.locator('#status')).to_contain_text('Undone: draw')
        expect(page.locator('#regions .drawn')).to_have_count(0)
        page.keyboard.press('y')
        expect(page.locator('#status')).to_contain_text('Done again: draw')
        expect(page.locator('#regions .drawn').first).to_be_visible()
        page.keyboard.press('r')
        page.keyboard.press('r')
        page.keyboard.press('s')
        expect(page.locator('#status')).to_contain_text('Removed')
        page.keyboard.press('a')
        expect(page.locator('#where')).to_contain_text('accepted by')
        page.keyboard.press('?')
        expect(page.locator('#help')).to_be_visible()
        expect(page.locator('#help dt')).to_have_count(28)
        page.keyboard.press('Escape')
        expect(page.locator('#help')).to_be_hidden()


def test_striking_shows_the_original_first_and_asks(page, expect, served, reviewed):
    source, target = reviewed
    with served(target, '--source', source) as address:
        open_page(page, address)
        page.keyboard.press('b')
        expect(page.locator('#banner')).to_contain_text('not anonymized')
        page.keyboard.press('b')
        page.keyboard.press('r')
        page.keyboard.press('s')
        expect(page.locator('#confirm')).to_be_visible()
        expect(page.locator('#confirm-pictures canvas')).to_have_count(3)
        # The safe answer has the focus.
        page.keyboard.press('Enter')
        expect(page.locator('#confirm')).to_be_hidden()
        expect(page.locator('#confirm-pictures canvas')).to_have_count(0)
        expect(page.locator('#regions .struck')).to_have_count(0)
        page.keyboard.press('s')
        page.get_by_role('button', name=f'Show the original in {FRAMES} frames').click()
        expect(page.locator('#regions .struck').first).to_be_visible()
        expect(page.locator('#pending')).to_contain_text('1 correction')


def test_without_the_source_nothing_of_before_is_offered(page, expect, served, reviewed):
    with served(reviewed.target) as address:
        open_page(page, address)
        expect(page.locator('#before')).to_be_hidden()
        page.keyboard.press('r')
        expect(page.locator('#strike')).to_be_disabled()


def test_it_asks_nobody_else_for_anything(page, expect, served, reviewed):
    asked = []
    page.on('request', lambda request: asked.append(request.url))
    with served(reviewed.target) as address:
        open_page(page, address)
        page.keyboard.press('ArrowRight')
        expect(page.locator('#where')).to_contain_text('frame 2')
        origin = address.split('#')[0]
        own = [url for url in asked if url.startswith((origin, f'blob:{origin}'))]
        assert own == asked
        assert not any('#' in url or address.split('#')[1] in url for url in asked[1:])


def test_without_the_token_it_shows_nothing(page, expect, served, reviewed):
    with served(reviewed.target) as address:
        page.goto(address.split('#')[0])
        expect(page.locator('#locked')).to_contain_text('token')
        page.goto('about:blank')
        page.goto(address[:-1])
        expect(page.locator('#locked')).to_contain_text('token')


@pytest.fixture
def evil():
    """Serve a page on another port that knows everything but may do nothing."""
    class Page(http.server.BaseHTTPRequestHandler):
        def do_GET(self):
            self.send_response(200)
            self.send_header('Content-Type', 'text/html')
            self.end_headers()
            self.wfile.write(b'<!doctype html><title>evil</title>')

        def log_message(self, *_):
            pass

    with http.server.ThreadingHTTPServer(('127.0.0.1', 0), Page) as server:
        thread = threading.Thread(target=server.serve_forever)
        thread.start()
        yield f'http://127.0.0.1:{server.server_address[1]}/'
        server.shutdown()
        thread.join()


ATTACK = """async ([origin, token]) => {
    const tries = {
        read: () => fetch(`${origin}api/session`, {headers: {Authorization: `Bearer ${token}`}}),
        quietly: async () => {
            await fetch(`${origin}api/undo`, {method: 'POST', mode: 'no-cors', body: '{}'});
            throw new Error('sent, but unread');
        },
        picture: () => createImageBitmap(Object.assign(new Image(), {
            src: `${origin}api/streams/0/frames/0/after.jpg`, crossOrigin: 'anonymous'})),
        module: () => import(`${origin}assets/main.js`),
    };
    const got = [];
    for (const [name, attempt] of Object.entries(tries)) {
        try { await attempt(); got.push(name); } catch { /* refused */ }
    }
    return got;
}"""


def test_a_page_from_another_origin_gets_nothing(page, expect, served, reviewed, evil, chromium):
    with served(reviewed.target) as address:
        open_page(page, address)
        page.keyboard.press('a')
        expect(page.locator('#where')).to_contain_text('accepted by')
        origin, token = address.split('#')
        other = chromium.new_page()
        other.goto(evil)
        # Even with the token in its hands.
        assert other.evaluate(ATTACK, [origin, token]) == []
        frame = other.evaluate("""async (origin) => {
            const frame = document.createElement('iframe');
            frame.src = origin;
            document.body.append(frame);
            await new Promise((done) => { frame.onload = done; setTimeout(done, 5000); });
            return frame.contentDocument === null || frame.contentDocument.body.innerText;
        }""", origin)
        assert frame is True
        assert not any(each.locator('#stage').count() for each in other.frames[1:])
        other.close()
        page.keyboard.press('ArrowRight')
        page.keyboard.press('ArrowLeft')
        # Nothing was undone behind the reviewer's back.
        expect(page.locator('#where')).to_contain_text('accepted by')
