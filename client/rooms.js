/** The list of rooms beside the room: newest activity first, and in which there is what this browser has not shown. */

import { roughly } from './dates.js';
import { forGood } from './storage.js';

const REFRESH_MS = 30_000;
const TIMEOUT_MS = 10_000;
const SHOWN = 30;

/** Rooms of which is remembered how far they were read. */
const MAX_SEEN = 200;

/** @typedef {{room: string, activeAt: string}} Entry */

/**
 * @param {object} options
 * @param {HTMLElement} options.list
 * @param {HTMLElement} options.more shown if there are more rooms than fit in
 * @param {string} options.room this one
 * @param {string} options.user
 * @param {() => string | undefined} options.newest the date of the newest message on the page
 * @returns {() => void} to be called when a message has come here
 */
export function listRooms({ list, more, room, user, newest }) {
  remember();
  for (const item of list.querySelectorAll('li')) adopt(item);
  const refresh = async () => {
    if (document.hidden) return;
    remember();
    const answer = await fetch(`/rooms/?limit=${SHOWN}`, {
      headers: { Accept: 'application/json' },
      signal: AbortSignal.timeout(TIMEOUT_MS),
    }).catch(() => null);
    const { rooms, next } = (answer?.ok && await answer.json().catch(() => null)) || {};
    // What cannot be had stays as it is: a list that is a little old beats none.
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
    // Ahead of the server's list, which is some seconds old.
    if (item !== list.firstElementChild && !hasFocus()) list.prepend(item);
  };

  function items() {
    return new Map([...list.querySelectorAll('li')].map((item) => [nameOf(item), item]));
  }

  /** Moving what has the focus would lose it. */
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
    time.textContent = roughly(date, new Date());
    const seen = readUntil()[name];
    item.classList.toggle('unseen', name !== room && seen !== undefined && date.getTime() > seen);
    return item;
  }

  function remember() {
    if (document.hidden) return;
    const { [room]: before = 0, ...others } = readUntil();
    const kept = Object.entries(others).slice(1 - MAX_SEEN);
    // The server's own date: this browser's clock may be another, and what is listed may be a minute old.
    const until = Math.max(before, Date.parse(newest() ?? '') || 0);
    forGood.put('read', JSON.stringify(Object.fromEntries([...kept, [room, until]])));
  }
}

/** The newest message that was on the page, by room; least recently visited first. @returns {Record<string, number>} */
function readUntil() {
  const kept = forGood.json('read');
  return typeof kept === 'object' && kept !== null ? /** @type {Record<string, number>} */ (kept) : {};
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
