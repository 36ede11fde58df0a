// SPDX-License-Identifier: Apache-2.0
// Elements, times and colours. Text only ever becomes text: nothing is parsed as HTML.

export const $ = (selector) => document.querySelector(selector);

export function element(name, attributes = {}, ...children) {
  const made = document.createElement(name);
  for (const [key, value] of Object.entries(attributes)) {
    if (key === 'class') made.className = value;
    else if (key.startsWith('on')) made.addEventListener(key.slice(2), value);
    else if (value !== false && value != null) made.setAttribute(key, value === true ? '' : value);
  }
  made.append(...children);
  return made;
}

export function clock(seconds, decimals = 1) {
  const minutes = Math.floor(seconds / 60);
  const rest = (seconds - 60 * minutes).toFixed(decimals).padStart(decimals ? 3 + decimals : 2, '0');
  return `${minutes}:${rest}`;
}

export function timeOfDay(iso) {
  return iso ? new Date(iso).toLocaleTimeString([], { hour: '2-digit', minute: '2-digit', second: '2-digit' }) : '';
}

export const NAMES = { face: 'face', body: 'person', plate: 'plate' };

export function count(number, one, many = `${one}s`) {
  return `${number} ${number === 1 ? one : many}`;
}

let palette = null;

export function colour(name) {
  if (!palette) {
    const style = getComputedStyle(document.documentElement);
    palette = new Proxy({}, { get: (_, key) => style.getPropertyValue(`--${key}`).trim() });
  }
  return palette[name];
}

export function forgetColours() {
  palette = null;
}

// On the picture outlines are bright in either theme: the picture does not change with it.
export const BRIGHT = { face: '#3fe0d8', body: '#b3b3ff', plate: '#ffc857' };

// A canvas in the screen's own pixels, so that its lines are crisp; returns its context.
export function crisp(canvas) {
  const scale = window.devicePixelRatio || 1;
  const width = Math.round(canvas.clientWidth * scale);
  const height = Math.round(canvas.clientHeight * scale);
  if (canvas.width !== width || canvas.height !== height) {
    canvas.width = width;
    canvas.height = height;
  }
  const context = canvas.getContext('2d');
  context.setTransform(scale, 0, 0, scale, 0, 0);
  context.clearRect(0, 0, canvas.clientWidth, canvas.clientHeight);
  return context;
}
