// SPDX-License-Identifier: Apache-2.0
// The frame: zoom, outlines, and drawing with the pointer or with the keys.

import { BRIGHT, crisp, NAMES } from './dom.js';

const MOST_SCALE = 40;
const LEAST_DRAG_PX = 4;
const CRISP_FROM = 3;

export class Stage {
  constructor(host, canvas, { onDrawn, onSelect }) {
    this.host = host;
    this.canvas = canvas;
    this.onDrawn = onDrawn;
    this.onSelect = onSelect;
    this.bitmap = null;
    this.size = [1, 1];
    this.regions = [];
    this.selected = null;
    this.kind = 'face';
    this.outlines = true;
    this.mode = 'look';
    this.view = null;
    this.box = null;
    this.drag = null;
    this.focusBoxes = [];
    new ResizeObserver(() => this.draw()).observe(host);
    canvas.addEventListener('pointerdown', (event) => this.down(event));
    canvas.addEventListener('pointermove', (event) => this.moveTo(event));
    canvas.addEventListener('pointerup', (event) => this.up(event));
    canvas.addEventListener('pointercancel', () => this.cancel());
    host.addEventListener('wheel', (event) => this.wheel(event), { passive: false });
  }

  show(bitmap, size, regions, focusBoxes) {
    const isOther = size[0] !== this.size[0] || size[1] !== this.size[1];
    Object.assign(this, { bitmap, size, regions, focusBoxes });
    if (isOther) this.view = null;
    this.draw();
  }

  setMode(mode) {
    this.mode = mode;
    this.host.dataset.mode = mode;
    this.box = null;
    this.drag = null;
    this.draw();
  }

  // ---- where things are

  fit() {
    const [width, height] = this.size;
    const scale = Math.min(this.canvas.clientWidth / width, this.canvas.clientHeight / height);
    return {
      scale, x: (this.canvas.clientWidth - width * scale) / 2,
      y: (this.canvas.clientHeight - height * scale) / 2,
    };
  }

  get place() {
    return this.view ?? this.fit();
  }

  toImage(x, y) {
    const { scale, x: left, y: top } = this.place;
    return [(x - left) / scale, (y - top) / scale];
  }

  zoom(factor, x = this.canvas.clientWidth / 2, y = this.canvas.clientHeight / 2) {
    const least = this.fit().scale;
    const scale = Math.min(Math.max(this.place.scale * factor, least), MOST_SCALE);
    const [imageX, imageY] = this.toImage(x, y);
    this.view = scale <= least * 1.001 ? null : this.inside({ scale, x: x - imageX * scale, y: y - imageY * scale });
    this.draw();
  }

  zoomOut() {
    this.view = null;
    this.draw();
  }

  inside(view) {
    const keep = (start, length, room) => length <= room
      ? (room - length) / 2 : Math.min(0, Math.max(room - length, start));
    return {
      scale: view.scale,
      x: keep(view.x, this.size[0] * view.scale, this.canvas.clientWidth),
      y: keep(view.y, this.size[1] * view.scale, this.canvas.clientHeight),
    };
  }

  // ---- pointer

  at(event) {
    const bounds = this.canvas.getBoundingClientRect();
    return [event.clientX - bounds.left, event.clientY - bounds.top];
  }

  down(event) {
    this.host.focus({ preventScroll: true });
    const start = this.at(event);
    this.canvas.setPointerCapture(event.pointerId);
    const isDrawing = this.mode === 'draw' && event.button === 0;
    this.drag = { start, last: start, isDrawing, isMoved: false };
    event.preventDefault();
  }

  moveTo(event) {
    if (!this.drag) return;
    const [x, y] = this.at(event);
    const [startX, startY] = this.drag.start;
    this.drag.isMoved ||= Math.hypot(x - startX, y - startY) >= LEAST_DRAG_PX;
    if (!this.drag.isMoved) return;
    if (this.drag.isDrawing) {
      this.box = this.clipped(ordered([...this.toImage(startX, startY), ...this.toImage(x, y)]));
    } else if (this.view) {
      this.host.dataset.mode = 'pan';
      const [lastX, lastY] = this.drag.last;
      this.view = this.inside({ ...this.view, x: this.view.x + x - lastX, y: this.view.y + y - lastY });
    }
    this.drag.last = [x, y];
    this.draw();
  }

  up(event) {
    const drag = this.drag;
    this.drag = null;
    this.host.dataset.mode = this.mode;
    if (!drag) return;
    if (drag.isDrawing && drag.isMoved && this.box) this.finish();
    else if (!drag.isMoved && this.mode === 'look') this.onSelect(this.hit(...this.at(event)));
  }

  cancel() {
    this.drag = null;
    this.box = null;
    this.host.dataset.mode = this.mode;
    this.draw();
  }

  wheel(event) {
    event.preventDefault();
    this.zoom(Math.exp(-event.deltaY * (event.deltaMode ? 0.05 : 0.002)), ...this.at(event));
  }

  hit(x, y) {
    const [imageX, imageY] = this.toImage(x, y);
    const under = this.regions.filter(({ hidden: [left, top, right, bottom] }) =>
      imageX >= left && imageX <= right && imageY >= top && imageY <= bottom);
    under.sort((a, b) => area(a.hidden) - area(b.hidden));
    return under[0] ?? null;
  }

  // ---- drawing with the keys

  startBox(near = null) {
    const [width, height] = this.size;
    const [x, y] = near ? [(near[0] + near[2]) / 2, (near[1] + near[3]) / 2]
      : this.toImage(this.canvas.clientWidth / 2, this.canvas.clientHeight / 2);
    const [halfX, halfY] = near ? [(near[2] - near[0]) / 2, (near[3] - near[1]) / 2]
      : [Math.max(8, width * 0.03), Math.max(8, width * 0.04)];
    this.box = this.clipped([x - halfX, y - halfY, x + halfX, y + Math.min(halfY, height)]);
    this.draw();
  }

  nudge(x, y, isResized) {
    if (!this.box) this.startBox();
    const step = Math.max(1, 6 / this.place.scale);
    const [left, top, right, bottom] = this.box;
    this.box = isResized
      ? this.clipped(ordered([left, top, Math.max(right + x * step, left + 2), Math.max(bottom + y * step, top + 2)]))
      : this.clipped([left + x * step, top + y * step, right + x * step, bottom + y * step]);
    this.draw();
  }

  finish() {
    const box = this.box;
    this.box = null;
    this.draw();
    if (box && box[2] - box[0] >= 2 && box[3] - box[1] >= 2) this.onDrawn(box);
  }

  clipped([left, top, right, bottom]) {
    const [width, height] = this.size;
    const within = (value, most) => Math.min(Math.max(value, 0), most);
    return [within(left, width), within(top, height), within(right, width), within(bottom, height)];
  }

  // ---- painting

  draw() {
    const context = crisp(this.canvas);
    const { scale, x, y } = this.place;
    if (this.bitmap) {
      context.imageSmoothingEnabled = scale * (window.devicePixelRatio || 1) < CRISP_FROM;
      context.imageSmoothingQuality = 'high';
      context.drawImage(this.bitmap, x, y, this.size[0] * scale, this.size[1] * scale);
    }
    const place = (box) => {
      const [left, top, right, bottom] = this.clipped(box);
      return [x + left * scale, y + top * scale, (right - left) * scale, (bottom - top) * scale];
    };
    if (this.outlines) {
      for (const box of this.focusBoxes) paintFocus(context, place(box));
      for (const region of this.regions) this.paintRegion(context, region, place, [x, y, scale]);
    }
    if (this.box) paintBox(context, place(this.box), { stroke: BRIGHT[this.kind], width: 2.5, fill: `${BRIGHT[this.kind]}55` });
  }

  paintRegion(context, region, place, [x, y, scale]) {
    const isSelected = this.selected !== null && keyOf(region) === this.selected;
    const box = place(region.hidden);
    const isStruck = region.state === 'struck';
    const stroke = isStruck ? '#d5d9df' : BRIGHT[region.kind];
    const dash = isStruck ? [3, 4] : region.origin === 'detected' ? [] : [7, 4];
    // A silhouette is what is hidden; its box says something only when it is selected.
    for (const corners of region.outline ?? []) paintCorners(context, corners, [x, y, scale], stroke);
    if (!region.outline || isSelected) {
      if (isSelected) paintBox(context, box, { stroke: '#fff', width: 5 });
      paintBox(context, box, {
        stroke, width: isSelected ? 2.5 : 1.75, dash, fill: region.state === 'drawn' ? `${stroke}44` : null,
      });
    }
    if (isStruck) paintCross(context, box);
    if (isSelected || box[2] > 26) paintLabel(context, box, labelOf(region), stroke);
  }
}

export function keyOf(region) {
  return region.track === null ? `region ${region.region}` : `track ${region.track}`;
}

export function labelOf(region) {
  return region.track === null ? NAMES[region.kind] : `${NAMES[region.kind]} ${region.track % 1e9}`;
}

function ordered([a, b, c, d]) {
  return [Math.min(a, c), Math.min(b, d), Math.max(a, c), Math.max(b, d)];
}

function area([left, top, right, bottom]) {
  return (right - left) * (bottom - top);
}

function paintBox(context, [x, y, width, height], { stroke, width: line, dash = [], fill = null }) {
  if (fill) {
    context.fillStyle = fill;
    context.fillRect(x, y, width, height);
  }
  context.setLineDash(dash);
  context.lineWidth = line;
  context.strokeStyle = stroke;
  context.strokeRect(x, y, width, height);
  context.setLineDash([]);
}

function paintCorners(context, corners, [x, y, scale], stroke) {
  context.beginPath();
  corners.forEach(([cornerX, cornerY], i) => {
    context[i ? 'lineTo' : 'moveTo'](x + cornerX * scale, y + cornerY * scale);
  });
  context.closePath();
  context.lineWidth = 1.75;
  context.strokeStyle = stroke;
  context.stroke();
}

function paintCross(context, [x, y, width, height]) {
  context.beginPath();
  context.moveTo(x, y);
  context.lineTo(x + width, y + height);
  context.lineWidth = 1.5;
  context.stroke();
}

function paintFocus(context, [x, y, width, height]) {
  const gap = 7;
  context.lineWidth = 2;
  context.strokeStyle = '#fff';
  context.setLineDash([2, 6]);
  context.strokeRect(x - gap, y - gap, width + 2 * gap, height + 2 * gap);
  context.setLineDash([]);
}

function paintLabel(context, [x, y, , height], text, stroke) {
  context.font = '600 11.5px system-ui, sans-serif';
  const width = context.measureText(text).width + 10;
  const top = y >= 18 ? y - 18 : y + height;
  context.fillStyle = 'rgb(12 16 20 / 78%)';
  context.fillRect(x - 0.75, top, width, 17);
  context.fillStyle = stroke;
  context.fillText(text, x + 4, top + 12.5);
}
