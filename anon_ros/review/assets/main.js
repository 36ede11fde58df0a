// SPDX-License-Identifier: Apache-2.0
// The review: what is looked at, and what the reviewer does.

import { Api, takeToken } from './api.js';
import { confirmStrike } from './confirm.js';
import { $, clock, count, forgetColours, NAMES } from './dom.js';
import { Filmstrip } from './filmstrip.js';
import { fillHelp, listen } from './keys.js';
import { kindButtons, showActions, showQueue, showReasons, showRegions } from './lists.js';
import { keyOf, Stage } from './stage.js';
import { lock, saved, savedAt, say, showProgress } from './telling.js';
import { Timeline } from './timeline.js';

const FAR = 10;

const api = new Api(takeToken());
const state = {
  session: null, queue: [], at: -1, stream: 0, number: 0, frame: null, timeline: null,
  selected: null, kind: 'face', drawing: null, isBefore: false, turn: 0, lastDrawn: null, work: Promise.resolve(),
};

const stage = new Stage($('#stage'), $('#view'), { onDrawn: drawn, onSelect: select });
const timeline = new Timeline($('#timeline'), { onGo: (number) => go(state.stream, number) });
const filmstrip = new Filmstrip($('#filmstrip'), api, { onGo: (number) => go(state.stream, number) });

// ---- what is shown

const stream = () => state.session.streams[state.stream];
const region = () => state.frame?.regions.find((each) => keyOf(each) === state.selected) ?? null;
const queued = () => state.queue[state.at];
const isQueued = (item) => item && item.stream === state.stream && item.number === state.number;

async function go(streamId, number, { keepSelected = true } = {}) {
  const isOther = streamId !== state.stream;
  const turn = (state.turn += 1);
  state.stream = streamId;
  state.number = Math.min(Math.max(number, 0), stream().frames - 1);
  if (!keepSelected || isOther) state.selected = null;
  if (isOther || !state.timeline) await loadTimeline();
  await load(turn);
}

async function load(turn = (state.turn += 1)) {
  const { stream: at, number } = state;
  const side = state.isBefore ? 'before' : 'after';
  const picture = state.isBefore ? api.bitmap(at, number, 'before') : api.frame(at, number);
  const [frame, bitmap] = await Promise.all([
    api.get(`/streams/${at}/frames/${number}`),
    picture.catch((error) => { if (error.status !== 404) throw error; return null; }),
  ]);
  // A later step may have overtaken this one.
  if (turn !== state.turn) return;
  state.frame = frame;
  stage.show(bitmap, frame.size_wh, frame.regions, focusBoxes());
  banner(bitmap, side);
  render();
  for (const next of [number + 1, number - 1]) {
    if (!state.isBefore && next >= 0 && next < stream().frames) api.frame(at, next).catch(() => {});
  }
}

async function loadTimeline() {
  state.timeline = await api.get(`/streams/${state.stream}/timeline?bins=${timeline.bins}`);
}

function focusBoxes() {
  const item = queued();
  return isQueued(item) ? item.risks.map((risk) => risk.box).filter(Boolean) : [];
}

function banner(bitmap, side) {
  const shown = $('#banner');
  const drawing = state.drawing && (state.drawing.track === null ? `Drag around a ${NAMES[state.kind]}` : 'Drag around where it is here');
  const text = side === 'before' ? 'Before: not anonymized'
    : !bitmap ? `Nothing to show: ${state.frame.reason || 'the frame was withheld'}`
      : drawing ? `${drawing}, or use the arrow keys · Enter saves, Esc leaves` : '';
  shown.textContent = text;
  shown.hidden = !text;
  shown.classList.toggle('before', side === 'before');
}

function render() {
  const { frame, session } = state;
  const chosen = region();
  stage.selected = chosen ? state.selected : null;
  stage.kind = state.kind;
  stage.draw();
  const accepted = new Set(state.timeline.accepted);
  timeline.show(state.timeline, state.number, frame.seconds);
  filmstrip.show(stream(), state.number, accepted);
  showRegions(frame, state.selected, select);
  showActions(chosen, session.has_source);
  showReasons(isQueued(queued()) ? queued() : null);
  showQueue(state.queue, isQueued(queued()) ? state.at : -1, session.streams, (i) => pick(i));
  where(frame, accepted);
  $('#camera').value = state.stream;
  $('#stage').setAttribute('aria-label', `Frame ${state.number + 1}: ${count(frame.regions.length, 'region')}${frame.accepted ? ', accepted' : ''}`);
}

function where(frame) {
  const line = $('#where');
  const time = stream().is_sequence ? ` · ${clock(frame.seconds, 2)}` : '';
  const by = frame.accepted ? ` · accepted by ${frame.accepted.by}` : '';
  const bold = document.createElement('b');
  bold.textContent = frame.name;
  line.replaceChildren(bold, ` · frame ${state.number + 1} of ${stream().frames}${time} · ${frame.size_wh.join('×')} px${by}`);
}

function showSession() {
  const { session } = state;
  document.title = `${session.name} · review`;
  $('#name').textContent = session.name;
  $('#who').textContent = `reviewed by ${session.reviewer}`;
  $('#before').hidden = !session.has_source;
  $('#camera').replaceChildren(...session.streams.map((each) => new Option(`${each.name} (${each.frames})`, each.id)));
  $('.camera').hidden = session.streams.length < 2;
  showKinds();
  progress(session);
}

function showKinds() {
  $('#kinds').replaceChildren(...kindButtons(state.session.kinds, state.kind, chooseKind));
}

function progress(told) {
  Object.assign(state.session, told);
  showProgress(told);
}

// ---- what is done

// One deed after another, each saved before the next; what fails is said and changes nothing.
function work(deed) {
  state.work = state.work.then(async () => {
    try {
      await deed();
    } catch (error) {
      failed(error);
    }
  });
  return state.work;
}

function failed(error) {
  if (error.status === 401) return lock(error.message);
  say(error.message, { isLong: true });
  if (error.status === 409) return savedAt(state.session?.saved_at);
  saved('failed', error.status === undefined ? 'Something went wrong' : 'Not saved');
  return undefined;
}

// What is drawn may bring something to look at; what is being looked at stays it.
async function loadQueue() {
  const item = queued();
  state.queue = await api.get('/queue');
  if (!item) return;
  const at = state.queue.findIndex((each) => each.stream === item.stream && each.number === item.number
    && each.risks[0].reason === item.risks[0].reason);
  if (at >= 0) state.at = at;
}

async function refresh() {
  await loadQueue();
  await loadTimeline();
  await load();
}

async function act(command) {
  saved('saving', 'Saving…');
  const told = await api.post('/edits', { stream: state.stream, frame: state.number, ...command });
  progress(told);
  return told;
}

function drawn(box) {
  const { drawing, kind } = state;
  leave();
  return work(async () => {
    const told = drawing.track === null ? await act({ action: 'draw', kind, box })
      : await act({ action: 'move', track: drawing.track, box });
    state.selected = `track ${told.track}`;
    state.lastDrawn = { stream: told.stream, track: told.track };
    await refresh();
    await follow(told);
  });
}

async function follow(told) {
  if (!stream().is_sequence) return say(`Saved: ${NAMES[state.kind]}`);
  say('Following it through time…', { isLong: true });
  const path = await api.post(`/streams/${told.stream}/tracks/${told.track}/follow`);
  progress(path);
  await refresh();
  const through = `Followed through ${count(path.frames, 'frame')}`;
  if (!path.doubts) return say(`${through}. Look at its ends; m draws it again.`);
  return say(`${through}, unsure in ${path.doubts}: first in the queue. m draws it again there.`, { isLong: true });
}

function strike() {
  const chosen = region();
  if (!chosen) return say('Select a region first: r, or click it');
  if ($('#strike').disabled) return say($('#strike').title);
  if (chosen.state === 'drawn') {
    return work(async () => {
      await act({ action: 'remove', track: chosen.track });
      await refresh();
      say('Removed');
    });
  }
  return work(async () => {
    if (!await confirmStrike(api, state.frame, chosen)) return;
    await act({ action: 'strike', region: chosen.region, is_confirmed: true });
    await refresh();
    say('Struck, for all frames of its track');
  });
}

function trim(side) {
  const chosen = region();
  if (chosen?.state !== 'drawn') return say('Select a region that you drew');
  return work(async () => {
    const told = await act({ action: 'trim', track: chosen.track, side });
    await follow(told);
  });
}

function turn(way) {
  return work(async () => {
    saved('saving', 'Saving…');
    const told = await api.post(`/${way}`);
    progress(told);
    await loadQueue();
    state.timeline = null;
    await go(told.stream, told.number);
    say(`${way === 'undo' ? 'Undone' : 'Done again'}: ${told.action}`);
  });
}

function accept() {
  return work(async () => {
    await act({ action: 'accept' });
    const item = queued();
    await loadQueue();
    await loadTimeline();
    const next = isQueued(item) ? nextOpen() : -1;
    if (next < 0) {
      await load();
      return say(isQueued(item) ? 'That was the last one that was open' : 'Accepted');
    }
    return pick(next);
  });
}

function nextOpen() {
  const length = state.queue.length;
  for (let step = 1; step < length; step += 1) {
    const i = (state.at + step) % length;
    if (!state.queue[i].is_accepted) return i;
  }
  return -1;
}

function pick(i) {
  if (!state.queue.length) return say('The queue is empty');
  state.at = Math.min(Math.max(i, 0), state.queue.length - 1);
  const item = queued();
  return go(item.stream, item.number, { keepSelected: false }).catch(failed);
}

function select(chosen) {
  state.selected = chosen ? keyOf(chosen) : null;
  render();
}

function nextRegion() {
  const all = state.frame.regions;
  if (!all.length) return say('Nothing is hidden here');
  const at = all.findIndex((each) => keyOf(each) === state.selected);
  return select(all[(at + 1) % all.length]);
}

function draw(track = null) {
  if (state.isBefore) toggleBefore();
  state.drawing = { track };
  $('#draw').setAttribute('aria-pressed', 'true');
  stage.setMode('draw');
  banner(stage.bitmap, 'after');
  $('#stage').focus({ preventScroll: true });
}

function redraw() {
  const chosen = region();
  const track = chosen?.state === 'drawn' ? chosen.track
    : state.lastDrawn?.stream === state.stream ? state.lastDrawn.track : null;
  if (track === null) return say('Select a region that you drew');
  return draw(track);
}

function leave() {
  state.drawing = null;
  $('#draw').setAttribute('aria-pressed', 'false');
  stage.setMode('look');
  if (state.frame) banner(stage.bitmap, state.isBefore ? 'before' : 'after');
}

function chooseKind(kind) {
  state.kind = kind;
  showKinds();
  stage.kind = kind;
  draw();
}

function toggleBefore() {
  if (!state.session.has_source) return say('Start with --source to compare');
  state.isBefore = !state.isBefore;
  $('#before').setAttribute('aria-pressed', `${state.isBefore}`);
  return load().catch(failed);
}

function toggleOutlines() {
  stage.outlines = !stage.outlines;
  $('#outlines').setAttribute('aria-pressed', `${stage.outlines}`);
  stage.draw();
}

function theme(name) {
  document.documentElement.dataset.theme = name;
  localStorage.setItem('theme', name);
  forgetColours();
  if (state.frame) render();
}

const step = (frames) => () => go(state.stream, state.number + frames).catch(failed);
const kind = (i) => () => state.session.kinds[i] && chooseKind(state.session.kinds[i]);
const actions = {
  next: () => pick(state.at + 1), previous: () => pick(state.at - 1), accept,
  frameRight: step(1), frameLeft: step(-1), farRight: step(FAR), farLeft: step(-FAR),
  first: () => go(state.stream, 0).catch(failed), last: () => go(state.stream, stream().frames - 1).catch(failed),
  camera: () => go((state.stream + 1) % state.session.streams.length, 0).catch(failed),
  draw: () => draw(), move: redraw, kind1: kind(0), kind2: kind(1), kind3: kind(2), region: nextRegion, strike,
  trimBefore: () => trim('before'), trimAfter: () => trim('after'), undo: () => turn('undo'), redo: () => turn('redo'),
  before: toggleBefore, outlines: toggleOutlines, zoomIn: () => stage.zoom(1.5), zoomOut: () => stage.zoom(1 / 1.5),
  zoomFit: () => stage.zoomOut(), leave, help: () => $('#help').showModal(),
};

function wire() {
  const buttons = {
    draw: 'draw', accept: 'accept', undo: 'undo', redo: 'redo', before: 'before', outlines: 'outlines',
    strike: 'strike', move: 'move', 'trim-before': 'trimBefore', 'trim-after': 'trimAfter', 'help-button': 'help',
  };
  for (const [id, action] of Object.entries(buttons)) $(`#${id}`).addEventListener('click', () => actions[action]());
  $('#theme').addEventListener('click', () => theme(document.documentElement.dataset.theme === 'dark' ? 'light' : 'dark'));
  $('#camera').addEventListener('change', (event) => go(Number(event.target.value), 0).catch(failed));
  $('#zoom').addEventListener('click', (event) => {
    const ways = { in: actions.zoomIn, out: actions.zoomOut, fit: actions.zoomFit };
    ways[event.target.dataset.zoom]?.();
  });
  const isDrawing = () => state.drawing !== null;
  listen(actions, { isDrawing, nudge: (...by) => stage.nudge(...by), finish: () => stage.finish() });
  fillHelp();
}

async function start() {
  const isDark = matchMedia('(prefers-color-scheme: dark)').matches;
  theme(localStorage.getItem('theme') ?? (isDark ? 'dark' : 'light'));
  wire();
  try {
    state.session = await api.get('/session');
    await loadQueue();
    state.kind = state.session.targets[0] ?? 'face';
    showSession();
    const open = state.queue.findIndex((item) => !item.is_accepted);
    if (open >= 0) await pick(open);
    else await go(0, 0);
    document.body.dataset.ready = 'true';
  } catch (error) {
    failed(error);
    if (error.status === 0) lock(error.message);
  }
}

start();
