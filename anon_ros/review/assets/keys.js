// SPDX-License-Identifier: Apache-2.0
// One table of keys: what the page listens to is what its help shows.

import { $, element } from './dom.js';

// Keys, what help says, and the name of what to do.
export const KEYS = [
  [['n', 'j'], 'next in the queue', 'next'],
  [['p', 'k'], 'previous in the queue', 'previous'],
  [['a'], 'accept, and go on', 'accept'],
  [['ArrowRight'], 'next frame', 'frameRight'],
  [['ArrowLeft'], 'frame before', 'frameLeft'],
  [['Shift+ArrowRight'], '10 frames on', 'farRight'],
  [['Shift+ArrowLeft'], '10 frames back', 'farLeft'],
  [['Home'], 'first frame', 'first'],
  [['End'], 'last frame', 'last'],
  [['c'], 'next camera', 'camera'],
  [['d'], 'draw a missed region', 'draw'],
  [['m'], 'draw it again here', 'move'],
  [['1'], 'face', 'kind1'],
  [['2'], 'person', 'kind2'],
  [['3'], 'plate', 'kind3'],
  [['r'], 'select the next region', 'region'],
  [['s', 'Delete'], 'strike or remove it', 'strike'],
  [['['], 'it starts here', 'trimBefore'],
  [[']'], 'it ends here', 'trimAfter'],
  [['u', 'Ctrl+z'], 'undo', 'undo'],
  [['y', 'Ctrl+Shift+z'], 'redo', 'redo'],
  [['b'], 'before and after', 'before'],
  [['o'], 'outlines', 'outlines'],
  [['+', '='], 'zoom in', 'zoomIn'],
  [['-'], 'zoom out', 'zoomOut'],
  [['0'], 'fit', 'zoomFit'],
  [['Escape'], 'leave drawing', 'leave'],
  [['?'], 'this help', 'help'],
];

const SHOWN = {
  ArrowLeft: '←', ArrowRight: '→', 'Shift+ArrowLeft': '⇧←', 'Shift+ArrowRight': '⇧→',
  Escape: 'Esc', Delete: 'Del', 'Ctrl+z': 'Ctrl Z', 'Ctrl+Shift+z': 'Ctrl ⇧ Z',
};

const ACTIONS = new Map(KEYS.flatMap(([keys, , action]) => keys.map((key) => [key, action])));

// While something is drawn, arrows move it and Shift with them resizes it.
const NUDGES = { ArrowLeft: [-1, 0], ArrowRight: [1, 0], ArrowUp: [0, -1], ArrowDown: [0, 1] };

export function listen(actions, { isDrawing, nudge, finish }) {
  document.addEventListener('keydown', (event) => {
    if (document.querySelector('dialog[open]') || event.altKey) return;
    const target = event.target;
    const isTyping = target instanceof HTMLSelectElement || target instanceof HTMLInputElement;
    if (isTyping && !event.ctrlKey && event.key !== 'Escape') return;
    if (isDrawing() && NUDGES[event.key]) {
      nudge(...NUDGES[event.key], event.shiftKey);
    } else if (isDrawing() && event.key === 'Enter' && !(target instanceof HTMLButtonElement)) {
      finish();
    } else {
      const action = ACTIONS.get(named(event));
      if (!action) return;
      actions[action]();
    }
    event.preventDefault();
  });
}

function named(event) {
  const key = event.key.length === 1 ? event.key.toLowerCase() : event.key;
  const isWord = event.key.length > 1 || event.ctrlKey || event.metaKey;
  return `${event.ctrlKey || event.metaKey ? 'Ctrl+' : ''}${event.shiftKey && isWord ? 'Shift+' : ''}${key}`;
}

export function fillHelp() {
  $('#help dl').replaceChildren(...KEYS.flatMap(([keys, text]) => [
    element('dt', {}, ...keys.map((key) => element('kbd', {}, SHOWN[key] ?? key))),
    element('dd', {}, text),
  ]));
}
