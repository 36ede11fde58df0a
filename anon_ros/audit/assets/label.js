'use strict';
// One labels file in memory; every answer changes it, and Save hands it out.
const $ = (id) => document.getElementById(id);
let labels = JSON.parse($('labels').textContent);
const storeKey = `anon_ros labels ${labels.root} ${labels.seed} ${labels.size}`;
let at = 0, kind = labels.kinds[0], zoom = 1, chosen = -1, start = null, saved = true;

const frame = () => labels.frames[at];
const answer = (shows) => (shows === null ? 'open' : shows ? 'yes' : 'no');

function keep() {
  saved = false;
  try { localStorage.setItem(storeKey, JSON.stringify(labels)); } catch { /* not everywhere */ }
}

function recall() {
  try {
    const kept = JSON.parse(localStorage.getItem(storeKey));
    if (kept && kept.frames.length === labels.frames.length) labels = kept;
  } catch { /* nothing was kept */ }
}

function svg(box, name, title) {
  const rect = document.createElementNS('http://www.w3.org/2000/svg', 'rect');
  const [x0, y0, x1, y1] = box;
  const values = {x: x0, y: y0, width: Math.max(0, x1 - x0), height: Math.max(0, y1 - y0), class: name};
  for (const [key, value] of Object.entries(values)) rect.setAttribute(key, value);
  const text = document.createElementNS('http://www.w3.org/2000/svg', 'title');
  text.textContent = title;
  rect.append(text);
  return rect;
}

function draw(drawn) {
  const overlay = $('overlay'), shown = frame();
  overlay.setAttribute('viewBox', `0 0 ${shown.size_wh[0]} ${shown.size_wh[1]}`);
  overlay.replaceChildren();
  shown.hidden.forEach((each, i) => {
    const rect = svg(each.box, `hidden ${answer(each.shows)}`, `${each.kind}: ${answer(each.shows)}`);
    rect.dataset.hidden = i;
    overlay.append(rect);
  });
  shown.missed.forEach((each, i) => {
    const rect = svg(each.box, `missed ${i === chosen ? 'chosen' : ''}`, `missed ${each.kind}`);
    rect.dataset.missed = i;
    overlay.append(rect);
  });
  if (drawn) overlay.append(svg(drawn, 'missed', kind));
  list();
}

function list() {
  const shown = frame(), items = [];
  const add = (text, name) => {
    const item = document.createElement('li');
    item.textContent = text;
    item.className = name;
    items.push(item);
  };
  for (const each of shown.hidden) add(`${each.kind} hidden: ${answer(each.shows) === 'open' ? 'is there one?' : answer(each.shows)}`, answer(each.shows));
  for (const each of shown.missed) add(`${each.kind} missed`, 'missed');
  $('list').replaceChildren(...items);
  const done = labels.frames.filter((each) => each.done).length;
  $('progress').textContent = `${at + 1} of ${labels.frames.length}, ${done} done${shown.done ? ' \u2713' : ''}`;
  $('where').textContent = `${shown.bag} ${shown.topic}, message ${shown.index}`;
  for (const button of $('kinds').children) button.setAttribute('aria-checked', button.dataset.kind === kind);
}

function fit() {
  const shown = frame(), stage = $('stage');
  const width = Math.min(stage.clientWidth - 32, (stage.clientHeight - 32) * shown.size_wh[0] / shown.size_wh[1]);
  $('frame').style.width = `${width * zoom}px`;
  $('frame').classList.toggle('near', width * zoom > 2 * shown.size_wh[0]);
}

function show(number) {
  at = Math.min(Math.max(number, 0), labels.frames.length - 1);
  chosen = -1;
  $('message').textContent = '';
  $('picture').src = frame().file;
  fit();
  draw();
}

function finish() {
  const left = frame().hidden.filter((each) => each.shows === null).length;
  if (left) {
    $('message').textContent = `Of ${left} boxes nobody has said whether there is one.`;
    return;
  }
  frame().done = true;
  keep();
  const next = labels.frames.findIndex((each, i) => i > at && !each.done);
  if (next >= 0) show(next);
  else {
    list();
    const first = labels.frames.findIndex((each) => !each.done);
    if (first >= 0) show(first);
    else $('message').textContent = 'All frames are labelled: save them.';
  }
}

function answerAll(shows) {
  for (const each of frame().hidden) if (each.shows === null) each.shows = shows;
  keep();
  draw();
}

function remove() {
  const missed = frame().missed;
  if (missed.length) missed.splice(chosen < 0 ? missed.length - 1 : chosen, 1);
  chosen = -1;
  keep();
  draw();
}

function save() {
  labels.labelled_by = $('who').value;
  const url = URL.createObjectURL(new Blob([JSON.stringify(labels, null, 1)], {type: 'application/json'}));
  const link = document.createElement('a');
  link.href = url;
  link.download = 'labels.json';
  link.click();
  URL.revokeObjectURL(url);
  saved = true;
}

function point(event) {
  const place = $('overlay').getBoundingClientRect(), [width, height] = frame().size_wh;
  const clip = (value, most) => Math.min(Math.max(value, 0), most);
  return [
    clip((event.clientX - place.left) * width / place.width, width),
    clip((event.clientY - place.top) * height / place.height, height),
  ];
}

const spanned = (a, b) => [
  Math.min(a[0], b[0]), Math.min(a[1], b[1]), Math.max(a[0], b[0]), Math.max(a[1], b[1]),
].map((value) => Math.round(value * 10) / 10);

$('overlay').addEventListener('pointerdown', (event) => {
  start = {point: point(event), target: event.target.dataset};
  $('overlay').setPointerCapture(event.pointerId);
});
$('overlay').addEventListener('pointermove', (event) => {
  if (start) draw(spanned(start.point, point(event)));
});
$('overlay').addEventListener('pointerup', (event) => {
  if (!start) return;
  const box = spanned(start.point, point(event)), {target} = start;
  start = null;
  if (box[2] - box[0] >= 2 && box[3] - box[1] >= 2) {
    frame().missed.push({kind, box});
    keep();
  } else if (target.missed !== undefined) chosen = Number(target.missed);
  else if (target.hidden !== undefined) {
    const each = frame().hidden[target.hidden];
    each.shows = each.shows === null ? true : each.shows ? false : null;
    keep();
  }
  draw();
});

const keys = {
  Enter: finish, y: () => answerAll(true), n: () => answerAll(false), s: save, Delete: remove,
  Backspace: remove, ArrowRight: () => show(at + 1), ArrowLeft: () => show(at - 1),
  '+': () => { zoom = Math.min(zoom * 1.5, 16); fit(); }, '-': () => { zoom = Math.max(zoom / 1.5, 1); fit(); },
  0: () => { zoom = 1; fit(); }, h: () => $('frame').classList.add('bare'),
};
document.addEventListener('keydown', (event) => {
  if (event.target.tagName === 'INPUT' || event.ctrlKey || event.metaKey || event.altKey) return;
  const number = Number(event.key);
  if (number >= 1 && number <= labels.kinds.length) {
    kind = labels.kinds[number - 1];
    list();
  } else if (keys[event.key]) {
    event.preventDefault();
    keys[event.key]();
  }
});
document.addEventListener('keyup', (event) => {
  if (event.key === 'h') $('frame').classList.remove('bare');
});
$('save').addEventListener('click', save);
$('who').addEventListener('input', () => { labels.labelled_by = $('who').value; keep(); });
$('open').addEventListener('change', async (event) => {
  const opened = JSON.parse(await event.target.files[0].text());
  if (opened.root !== labels.root || opened.seed !== labels.seed || opened.frames.length !== labels.frames.length) {
    $('message').textContent = 'These are labels of another sample.';
    return;
  }
  labels = opened;
  begin();
});
window.addEventListener('resize', fit);
window.addEventListener('beforeunload', (event) => { if (!saved) event.preventDefault(); });

function begin() {
  $('who').value = labels.labelled_by;
  $('kinds').replaceChildren(...labels.kinds.map((name, i) => {
    const button = document.createElement('button');
    button.type = 'button';
    button.dataset.kind = name;
    button.setAttribute('role', 'radio');
    button.textContent = `${name} ${i + 1}`;
    button.addEventListener('click', () => { kind = name; list(); });
    return button;
  }));
  show(Math.max(0, labels.frames.findIndex((each) => !each.done)));
}

recall();
begin();
