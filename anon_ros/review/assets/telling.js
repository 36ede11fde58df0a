// SPDX-License-Identifier: Apache-2.0
// What the page says of itself: how far the review is, what is saved, what went wrong.

import { $, count, timeOfDay } from './dom.js';

const NOTE_MS = 5000;

export function showProgress(told) {
  const bar = $('#progress');
  bar.hidden = !told.queue_length;
  bar.setAttribute('aria-valuemax', told.queue_length);
  bar.setAttribute('aria-valuenow', told.queue_seen);
  bar.querySelector('i').style.width = `${(100 * told.queue_seen) / Math.max(told.queue_length, 1)}%`;
  bar.querySelector('span').textContent = `${told.queue_seen} of ${told.queue_length} seen`;
  $('#undo').disabled = !told.can_undo;
  $('#redo').disabled = !told.can_redo;
  $('#pending').hidden = !told.pending;
  $('#pending b').textContent = `${count(told.pending, 'correction')} saved.`;
  savedAt(told.saved_at);
}

export function saved(how, text) {
  $('#saved').dataset.state = how;
  $('#saved span').textContent = text;
}

export function savedAt(iso) {
  saved('saved', `Saved ${timeOfDay(iso)}`);
}

let noteTimer = 0;

export function say(text, { isLong = false } = {}) {
  $('#status').textContent = text;
  const note = $('#note');
  note.textContent = text;
  note.hidden = false;
  clearTimeout(noteTimer);
  noteTimer = setTimeout(() => { note.hidden = true; }, isLong ? 3 * NOTE_MS : NOTE_MS);
}

export function lock(reason) {
  $('#locked').hidden = false;
  $('#locked p').textContent = `${reason}.`;
}
