/** The list of rooms beside the room: newest activity first, and what is new since this browser last looked. */

import { roughly } from './dates.js';
import { parseJson } from './message.js';
import { forGood } from './storage.js';

const REFRESH_MS = 30_000;
const SHOWN = 30;

/** Rooms whose last visit is remembered. */
const MAX_SEEN = 200;

/** Activity is told to the minute. */
const MINUTE_MS = 60_000;

/** @typedef {{room: string, activeAt: string}} Entry */

/**
 * @param {object} options
 * @param {HTMLElement} options.list
 * @param {HTMLElement} options.more shown if there are more rooms than fit in
 * @param {string} options.room this one
 * @param {string} options.user
 */
export function listRooms({ list, more, room, user }) {
  remember();
  for (const item of list.querySelectorAll('li')) adopt(item);
  const refresh = async () => {
    if (document.hidden) return;
    remember();
    const answer = await fetch(`/rooms/?limit=${SHOWN}`, { headers: { Accept: 'application/json' } }).catch(() => null);
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

  /** @param {Entry[]} entries */
  function show(entries) {
    const focused = document.activeElement?.closest('li');
    const items = new Map([...list.querySelectorAll('li')].map((item) => [nameOf(item), item]));
    const rows = entries.map((entry) => fill(items.get(entry.room) ?? blank(), entry));
    // Moving what has the focus would lose it.
    if (focused && list.contains(focused)) return;
    list.replaceChildren(...rows);
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
    const seen = visits()[name];
    item.classList.toggle('unseen', name !== room && seen !== undefined && date.getTime() > seen);
    return item;
  }

  function remember() {
    if (document.hidden) return;
    const { [room]: _, ...others } = visits();
    const newest = Object.entries(others).sort(([, a], [, b]) => b - a).slice(0, MAX_SEEN);
    const now = Math.floor(Date.now() / MINUTE_MS) * MINUTE_MS;
    forGood.put('visits', JSON.stringify(Object.fromEntries([...newest, [room, now]])));
  }
}

/** When a room was last looked at. @returns {Record<string, number>} */
function visits() {
  const kept = parseJson(forGood.get('visits') ?? '{}');
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
