# SPDX-License-Identifier: Apache-2.0
"""What edits come to: undone, done again, applied."""

from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from anon_ros.review.edits import Applied, Edit, Path, Turn, state_of

BOX = (1.0, 2.0, 30.0, 40.0)


def edit(number, action='draw', index=5, track=7, box=BOX, side=''):
    return Edit(number, action, 'anna', 'now', '/camera', index, track, 'face', box, side)


def turn(number, *, is_undone=True):
    return Turn(number, is_undone, 'anna', 'later')


def test_nothing_comes_to_nothing():
    state = state_of([])
    assert (state.alive, state.undone, state.drawn, state.struck) == ((), (), {}, {})


def test_a_drawn_region_moves_ends_and_goes():
    moved = edit(2, 'move', 9, box=(2.0, 2.0, 31.0, 40.0))
    events = [edit(1), moved, edit(3, 'trim', 4, side='before')]
    drawn = state_of(events).drawn['/camera', 7]
    assert sorted(drawn.keys) == [5, 9]
    assert (drawn.first, drawn.last) == (4, None)
    assert not state_of([*events, edit(4, 'remove')]).drawn
    assert state_of([*events, edit(4, 'remove'), turn(4)]).drawn['/camera', 7] == drawn


def test_a_path_counts_only_for_what_was_followed():
    first = edit(1)
    digest = state_of([first]).drawn['/camera', 7].digest
    path = Path('/camera', 7, digest, {'5': BOX, '6': BOX})
    assert state_of([first, path]).drawn['/camera', 7].is_followed
    moved = state_of([first, path, edit(2, 'move', 9)]).drawn['/camera', 7]
    assert not moved.is_followed
    assert sorted(moved.boxes) == [5, 9]
    # Undone, it is the region again that was followed.
    assert state_of([first, path, edit(2, 'move', 9), turn(2)]).drawn['/camera', 7].is_followed


def test_a_new_edit_ends_what_could_be_done_again():
    state = state_of([edit(1), turn(1), edit(2, index=8)])
    assert [each.id for each in state.alive] == [2]
    assert state.undone == ()
    late = state_of([edit(1), turn(1), edit(2, index=8), turn(1, is_undone=False)])
    assert [each.id for each in late.alive] == [2]


def test_what_was_applied_is_pending_no_more_but_stays_accepted():
    events = [edit(1), edit(2, 'accept', 3), edit(3, 'strike', track=4)]
    state = state_of([*events, Applied((1, 2, 3), 'bert', 'now')])
    assert (state.alive, state.drawn, state.struck) == ((), {}, {})
    assert ('/camera', 3) in state.accepted


@settings(max_examples=40, deadline=None, suppress_health_check=[HealthCheck.too_slow])
@given(st.lists(st.sampled_from(['draw', 'move', 'accept', 'strike']), max_size=8))
def test_undoing_everything_and_doing_it_again_changes_nothing(actions):
    events = [edit(i, action, index=i, track=i % 3) for i, action in enumerate(actions, 1)]
    before = state_of(events)
    undone = [turn(each.id) for each in reversed(events)]
    assert state_of([*events, *undone]).alive == ()
    again = [turn(each.id, is_undone=False) for each in events]
    assert state_of([*events, *undone, *again]) == before
