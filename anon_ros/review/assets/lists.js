// SPDX-License-Identifier: Apache-2.0
// The queue, and the regions of a frame, as lists of buttons.

import { $, clock, count, element, NAMES } from './dom.js';
import { keyOf, labelOf } from './stage.js';

export function showQueue(queue, at, streams, onPick) {
  const list = $('#queue');
  const isMany = streams.length > 1;
  const items = queue.map((item, i) => element('li', { class: item.is_accepted ? 'is-accepted' : '' },
    element('button', {
      type: 'button', 'aria-current': i === at ? 'true' : false, onclick: () => onPick(i),
      'aria-label': `${item.risks[0].reason}, ${item.risks[0].text}, ${clock(item.seconds)}${item.is_accepted ? ', accepted' : ''}`,
    },
    element('span', { class: `mark ${item.kind}` }),
    element('span', { class: 'reason' }, item.risks[0].reason),
    element('span', { class: 'when' }, clock(item.seconds)),
    element('span', { class: 'detail' }, isMany ? `${streams[item.stream].name} · ${item.risks[0].text}` : item.risks[0].text))));
  const nothing = element('li', { class: 'empty' }, 'Nothing here is unsure. Look around: the timeline shows all frames.');
  list.replaceChildren(...(items.length ? items : [nothing]));
  bringIntoView(list, list.querySelector('[aria-current]'));
  const open = queue.filter((item) => !item.is_accepted).length;
  $('#queue-count').textContent = queue.length ? `${open} of ${queue.length} open` : '';
}

// Within the list only: the page itself stays where it is.
function bringIntoView(list, item) {
  if (!item) return;
  const above = item.offsetTop - list.offsetTop;
  const below = above + item.offsetHeight - list.clientHeight;
  if (above < list.scrollTop) list.scrollTop = above;
  else if (below > list.scrollTop) list.scrollTop = below;
}

export function showRegions(frame, selected, onSelect) {
  const rows = frame.regions.map((region) => element('li', {}, element('button', {
    type: 'button', 'aria-pressed': keyOf(region) === selected ? 'true' : 'false',
    onclick: () => onSelect(region), class: region.state,
  },
  element('i', { class: `${region.kind} ${region.state}` }),
  element('span', {}, labelOf(region)),
  element('span', { class: 'soft' }, region.origin === 'detected' ? region.score.toFixed(2) : ''),
  element('small', {}, describe(region)))));
  const none = frame.is_withheld ? `Withheld: ${frame.reason || 'gray all over'}` : 'Nothing is hidden here.';
  $('#regions').replaceChildren(...(rows.length ? rows : [element('li', { class: 'none' }, none)]));
  $('#regions-count').textContent = rows.length ? count(rows.length, 'region') : '';
}

function describe(region) {
  if (region.state === 'struck') return `struck by ${region.made.by}`;
  if (region.state !== 'drawn') return region.origin === 'manual' ? 'drawn by hand' : region.origin;
  const reach = region.is_followed ? `in ${count(region.frames, 'frame')}` : 'being followed…';
  return `${region.is_key ? 'drawn here' : 'followed'} by ${region.made.by}, ${reach}`;
}

export function showActions(region, hasSource) {
  $('#actions').hidden = region === null;
  if (!region) return;
  const isDrawn = region.state === 'drawn';
  const strike = $('#strike');
  strike.firstChild.textContent = isDrawn ? 'Remove ' : 'Strike ';
  const reason = !isDrawn && region.origin === 'manual' ? 'What a person drew is never struck'
    : region.state === 'struck' ? 'It is struck already; undo brings it back'
      : !isDrawn && !hasSource ? 'Striking shows what is under it: start with --source' : '';
  strike.disabled = reason !== '';
  strike.title = reason || (isDrawn ? 'It was drawn in error' : 'It hides nothing that has to be hidden');
  for (const id of ['move', 'trim-before', 'trim-after']) $(`#${id}`).hidden = !isDrawn;
}

export function showReasons(item) {
  $('#reasons').hidden = !item;
  if (item) $('#reasons ul').replaceChildren(...item.risks.map((risk) => element('li', {}, risk.text)));
}

export function kindButtons(kinds, kind, onKind) {
  return kinds.map((each, i) => element('button', {
    type: 'button', role: 'radio', class: each, 'aria-checked': each === kind ? 'true' : 'false',
    onclick: () => onKind(each),
  }, NAMES[each], element('kbd', {}, `${i + 1}`)));
}
