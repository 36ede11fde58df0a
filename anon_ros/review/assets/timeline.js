// SPDX-License-Identifier: Apache-2.0
// A camera over time: what is risky, how many regions, what was drawn or struck. It is a slider.

import { clock, colour, crisp } from './dom.js';

const HEIGHT = 54;
const RISK_HEIGHT = 20;
const LANES_TOP = 24;

export class Timeline {
  constructor(host, { onGo }) {
    this.host = host;
    this.canvas = host.querySelector('canvas');
    this.data = null;
    this.number = 0;
    this.onGo = onGo;
    new ResizeObserver(() => this.draw()).observe(host);
    const go = (event) => {
      const bounds = host.getBoundingClientRect();
      const share = (event.clientX - bounds.left) / bounds.width;
      this.onGo(Math.min(Math.max(Math.floor(share * this.data.frames), 0), this.data.frames - 1));
    };
    host.addEventListener('pointerdown', (event) => {
      host.setPointerCapture(event.pointerId);
      go(event);
    });
    host.addEventListener('pointermove', (event) => {
      if (host.hasPointerCapture(event.pointerId)) go(event);
    });
  }

  get bins() {
    return Math.max(20, Math.floor(this.host.clientWidth / 3));
  }

  show(data, number, seconds) {
    this.data = data;
    this.number = number;
    this.host.setAttribute('aria-valuemax', data.frames);
    this.host.setAttribute('aria-valuenow', number + 1);
    this.host.setAttribute('aria-valuetext', `frame ${number + 1} of ${data.frames}, ${clock(seconds)}`);
    this.draw();
  }

  x(number) {
    return (number / this.data.frames) * this.canvas.clientWidth;
  }

  draw() {
    const context = crisp(this.canvas);
    if (!this.data) return;
    const { edges, risk, withheld, kinds, frames } = this.data;
    const most = Math.max(1, ...Object.values(kinds).flat());
    for (let i = 0; i < risk.length; i += 1) {
      const left = this.x(edges[i]);
      const width = Math.max(1, this.x(edges[i + 1]) - left - 0.5);
      if (withheld[i] > 0) bar(context, left, 0, width, HEIGHT, colour('line'));
      let top = HEIGHT - 4;
      for (const [kind, values] of Object.entries(kinds)) {
        const height = (values[i] / most) * 14;
        bar(context, left, top - height, width, height, colour(kind), 0.5);
        top -= height;
      }
      const height = Math.max(2, risk[i] * RISK_HEIGHT);
      if (risk[i] > 0) bar(context, left, RISK_HEIGHT - height, Math.max(width, 2), height, colour('alarm'), 0.35 + 0.65 * risk[i]);
    }
    this.paintSpans(context);
    for (const number of this.data.accepted) {
      context.fillStyle = colour('good');
      context.beginPath();
      context.arc(this.x(number + 0.5), HEIGHT - 2, 2, 0, 7);
      context.fill();
    }
    const x = this.x(this.number + 0.5);
    bar(context, x - 1, 0, 2, HEIGHT, colour('ink'));
    if (frames > 1) bar(context, x - 4, 0, 8, 4, colour('ink'));
  }

  paintSpans(context) {
    this.data.spans.forEach((span, i) => {
      const y = LANES_TOP + (i % 3) * 5;
      const left = this.x(span.first);
      const width = Math.max(3, this.x(span.last + 1) - left);
      context.globalAlpha = span.action === 'strike' ? 0.6 : 1;
      bar(context, left, y, width, 3, colour(span.action === 'strike' ? 'soft' : span.kind));
      context.globalAlpha = 1;
      for (const key of span.keys) bar(context, this.x(key + 0.5) - 2, y - 1.5, 4, 6, colour('ink'));
    });
  }
}

function bar(context, x, y, width, height, fill, alpha = 1) {
  context.globalAlpha = alpha;
  context.fillStyle = fill;
  context.fillRect(x, y, width, height);
  context.globalAlpha = 1;
}
