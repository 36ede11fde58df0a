// SPDX-License-Identifier: Apache-2.0
// Before a region is struck, the reviewer sees what will be shown, and says so.

import { $, count, element, NAMES } from './dom.js';
import { keyOf } from './stage.js';

const SIDE_PX = 220;
const CONTEXT = 0.5;

export async function confirmStrike(api, frame, region) {
  const frames = region.track === null ? { frames: 1, samples: [frame.number] }
    : await api.get(`/streams/${frame.stream}/tracks/${region.track}`);
  const where = count(frames.frames, 'frame');
  $('#confirm-text').textContent = `This ${NAMES[region.kind]} is hidden in ${where}. Struck, `
    + `${frames.frames === 1 ? 'it shows' : 'all of them show'} what the camera saw:`;
  $('#confirm-yes').textContent = `Show the original in ${where}`;
  const pictures = await Promise.all(
    frames.samples.map((number) => closeUp(api, frame.stream, number, region)));
  $('#confirm-pictures').replaceChildren(...pictures.filter(Boolean));
  const dialog = $('#confirm');
  dialog.returnValue = 'no';
  dialog.showModal();
  return new Promise((resolve) => {
    dialog.addEventListener('close', () => {
      // Nothing of the original stays in the page.
      $('#confirm-pictures').replaceChildren();
      resolve(dialog.returnValue === 'yes');
    }, { once: true });
  });
}

async function closeUp(api, stream, number, region) {
  const frame = await api.get(`/streams/${stream}/frames/${number}`);
  const found = frame.regions.find((each) => keyOf(each) === keyOf(region));
  if (!found) return null;
  const bitmap = await api.bitmap(stream, number, 'before').catch(() => null);
  if (!bitmap) return null;
  const [left, top, right, bottom] = found.hidden;
  const side = Math.max(right - left, bottom - top) * (1 + CONTEXT);
  const canvas = element('canvas', {
    width: SIDE_PX, height: SIDE_PX, role: 'img', 'aria-label': `The original in frame ${number + 1}`,
  });
  canvas.getContext('2d').drawImage(
    bitmap, (left + right - side) / 2, (top + bottom - side) / 2, side, side, 0, 0, SIDE_PX, SIDE_PX);
  bitmap.close();
  return canvas;
}
