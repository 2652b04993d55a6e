/** The list of rooms next to the room: latest activity first. It marks rooms with messages that this browser has not shown. */

import { compactTime } from './dates.js';
import { persistent } from './storage.js';

const REFRESH_MS = 30_000;
const TIMEOUT_MS = 10_000;
const MAX_SHOWN = 30;

/** Rooms whose newest seen message is remembered. */
const MAX_REMEMBERED = 200;

/** @typedef {{room: string, activeAt: string}} Entry */

/**
 * @param {object} options
 * @param {HTMLElement} options.list
 * @param {HTMLElement} options.more shown if there are more rooms than the list shows
 * @param {string} options.room the room of this page
 * @param {string} options.user
 * @param {() => string | undefined} options.newest the date of the newest message on the page
 * @returns {() => void} call it when a message arrives in this room
 */
export function listRooms({ list, more, room, user, newest }) {
  remember();
  for (const item of list.querySelectorAll('li')) adopt(item);
  const refresh = async () => {
    if (document.hidden) return;
    remember();
    const answer = await fetch(`/rooms/?limit=${MAX_SHOWN}`, {
      headers: { Accept: 'application/json' },
      signal: AbortSignal.timeout(TIMEOUT_MS),
    }).catch(() => null);
    const { rooms, next } = (answer?.ok && await answer.json().catch(() => null)) || {};
    // After a failure the old list stays: slightly out of date is better than empty.
    if (!Array.isArray(rooms)) return;
    show(rooms);
    more.hidden = next === undefined;
  };
  setInterval(refresh, REFRESH_MS);
  document.addEventListener('visibilitychange', refresh);
  document.getElementById('rooms')?.addEventListener('toggle', refresh);
  if (list.childElementCount === 0) void refresh();
  return () => {
    remember();
    const item = fill(items().get(room) ?? blank(), { room, activeAt: newest() ?? '' });
    // Before the next refresh; the server's list is some seconds old as well.
    if (item !== list.firstElementChild && !hasFocus()) list.prepend(item);
  };

  function items() {
    return new Map([...list.querySelectorAll('li')].map((item) => [nameOf(item), item]));
  }

  /** Moving the element that has the focus would lose the focus. */
  function hasFocus() {
    return list.contains(document.activeElement);
  }

  /** @param {Entry[]} entries */
  function show(entries) {
    const known = items();
    const rows = entries.map((entry) => fill(known.get(entry.room) ?? blank(), entry));
    const same = rows.length === list.childElementCount && rows.every((row, at) => row === list.children[at]);
    if (!same && !hasFocus()) list.replaceChildren(...rows);
  }

  /** @param {HTMLLIElement} item */
  function adopt(item) {
    fill(item, { room: nameOf(item), activeAt: item.querySelector('time')?.getAttribute('datetime') ?? '' });
  }

  /**
   * @param {HTMLLIElement} item
   * @param {Entry} entry
   */
  function fill(item, { room: name, activeAt }) {
    const link = /** @type {HTMLAnchorElement} */ (item.querySelector('a'));
    const time = /** @type {HTMLTimeElement} */ (item.querySelector('time'));
    const date = new Date(activeAt);
    link.setAttribute('href', `/${encodeURIComponent(name)}?${new URLSearchParams({ user })}`);
    if (name === room) link.setAttribute('aria-current', 'page');
    /** @type {HTMLElement} */ (item.querySelector('.name')).textContent = name;
    time.dateTime = activeAt;
    time.textContent = compactTime(date, new Date());
    const seen = readUntil()[name];
    item.classList.toggle('unseen', name !== room && seen !== undefined && date.getTime() > seen);
    return item;
  }

  function remember() {
    if (document.hidden) return;
    const { [room]: before = 0, ...others } = readUntil();
    const remembered = Object.entries(others).slice(1 - MAX_REMEMBERED);
    // The server's date of the message, because this browser's clock may differ and the list may be a minute old.
    const until = Math.max(before, Date.parse(newest() ?? '') || 0);
    persistent.put('read', JSON.stringify(Object.fromEntries([...remembered, [room, until]])));
  }
}

/** When the newest seen message was sent, by room; least recently visited first. @returns {Record<string, number>} */
function readUntil() {
  const stored = persistent.json('read');
  return typeof stored === 'object' && stored !== null ? /** @type {Record<string, number>} */ (stored) : {};
}

/** @param {HTMLLIElement} item */
const nameOf = (item) => item.querySelector('.name')?.textContent ?? '';

function blank() {
  const item = document.createElement('li');
  const link = document.createElement('a');
  const name = document.createElement('bdi');
  name.className = 'name';
  link.append(name, document.createElement('time'));
  item.append(link);
  return item;
}
