// SPDX-License-Identifier: Apache-2.0
// What is asked of the server. The token stands in a header: no other page can make a browser
// send it, and no other port of this machine gets it, as it would get a cookie.

const KEPT_FRAMES = 16;
const KEPT_THUMBNAILS = 240;

export class ApiError extends Error {
  constructor(status, message) {
    super(message);
    this.status = status;
  }
}

export function takeToken() {
  // From the part of the address that is sent nowhere, into this tab's own memory.
  const given = location.hash.slice(1);
  if (given) {
    sessionStorage.setItem('token', given);
    history.replaceState(null, '', location.pathname);
  }
  return sessionStorage.getItem('token') ?? '';
}

export class Api {
  constructor(token) {
    this.token = token;
    this.frames = new Map();
    this.thumbnails = new Map();
  }

  async fetch(path, options = {}) {
    const headers = { Authorization: `Bearer ${this.token}`, ...options.headers };
    let answer;
    try {
      answer = await fetch(`/api${path}`, { ...options, headers, cache: 'no-store' });
    } catch {
      throw new ApiError(0, 'The review has ended: nobody answers any more.');
    }
    if (!answer.ok) {
      const said = await answer.json().catch(() => ({}));
      throw new ApiError(answer.status, said.error ?? `status ${answer.status}`);
    }
    return answer;
  }

  async get(path) {
    return (await this.fetch(path)).json();
  }

  async post(path, body = {}) {
    const headers = { 'Content-Type': 'application/json' };
    const answer = await this.fetch(path, { method: 'POST', headers, body: JSON.stringify(body) });
    return answer.json();
  }

  async bitmap(stream, number, side) {
    const answer = await this.fetch(`/streams/${stream}/frames/${number}/${side}.jpg`);
    return createImageBitmap(await answer.blob());
  }

  // Anonymized frames are kept a while; what was there before never is.
  frame(stream, number) {
    return kept(this.frames, `${stream}/${number}`, KEPT_FRAMES,
      () => this.bitmap(stream, number, 'after'), (bitmap) => bitmap.close());
  }

  thumbnail(stream, number) {
    return kept(this.thumbnails, `${stream}/${number}`, KEPT_THUMBNAILS, async () => {
      const answer = await this.fetch(`/streams/${stream}/frames/${number}/after.jpg?size=small`);
      return URL.createObjectURL(await answer.blob());
    }, (url) => URL.revokeObjectURL(url));
  }
}

function kept(map, key, most, make, drop) {
  const found = map.get(key) ?? make();
  map.delete(key);
  map.set(key, found);
  found.catch(() => map.delete(key));
  while (map.size > most) {
    const [oldest, value] = map.entries().next().value;
    map.delete(oldest);
    value.then(drop, () => {});
  }
  return found;
}
