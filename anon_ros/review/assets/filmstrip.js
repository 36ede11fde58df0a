// SPDX-License-Identifier: Apache-2.0
// The neighbours of a frame, small.

import { clock, element } from './dom.js';

const EACH_SIDE = 4;
const NEAR = 2;

export class Filmstrip {
  constructor(host, api, { onGo }) {
    this.host = host;
    this.api = api;
    this.onGo = onGo;
    this.turn = 0;
  }

  show(stream, number, accepted) {
    const turn = (this.turn += 1);
    const first = Math.min(Math.max(number - EACH_SIDE, 0), Math.max(stream.frames - 2 * EACH_SIDE - 1, 0));
    const last = Math.min(first + 2 * EACH_SIDE, stream.frames - 1);
    const cells = [];
    for (let each = first; each <= last; each += 1) cells.push(this.cell(stream, each, number, accepted, turn));
    this.host.replaceChildren(...cells);
  }

  cell(stream, each, number, accepted, turn) {
    const seconds = stream.frames > 1 ? (stream.seconds * each) / (stream.frames - 1) : 0;
    const image = element('img', { alt: '' });
    const button = element('button', {
      type: 'button', tabindex: each === number ? '0' : '-1', 'aria-current': each === number ? 'true' : false,
      'aria-label': `frame ${each + 1}${accepted.has(each) ? ', accepted' : ''}`,
      class: Math.abs(each - number) > NEAR ? 'far' : '', onclick: () => this.onGo(each),
    }, image, element('span', {}, stream.is_sequence ? clock(seconds) : `${each + 1}`));
    if (accepted.has(each)) button.append(element('span', { class: 'dot' }));
    this.api.thumbnail(stream.id, each).then((url) => {
      if (turn === this.turn) image.src = url;
    }, () => { /* a withheld frame may have nothing to show */ });
    return button;
  }
}
