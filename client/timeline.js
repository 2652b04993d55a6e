/**
 * The messages on the page: stored ones in the order of their numbers, and behind them, in order of arrival, those on
 * their way. A message on its way that gets its number keeps its element, so nothing flickers.
 *
 * Elements come from `render`; this module only moves them, which lets it run on a stub of a document in tests.
 */

import { parseId } from './message.js';
import { systemClock } from './waiting.js';

/** A provisional message older than this will not be stored any more: its server died between the two events. */
const PROVISIONAL_MS = 20_000;

/**
 * @typedef {import('./message.js').Final} Final
 * @typedef {import('./message.js').Provisional} Provisional
 *
 * @typedef {object} MessageElement what the list asks of an element
 * @property {() => void} remove
 * @property {unknown} [nextElementSibling]
 *
 * @typedef {'provisional' | 'pending' | 'failed' | 'final'} Status `pending`: this page is sending it
 */

/**
 * @template {MessageElement} E
 * @typedef {object} Row a message that is stored
 * @property {string} id
 * @property {string} epoch
 * @property {number} seq
 * @property {string} date
 * @property {string} provisionalId
 * @property {E} element
 */

/**
 * @template {MessageElement} E
 * @typedef {object} Guest a message on its way
 * @property {Provisional} message
 * @property {E} element
 * @property {boolean} pending the sender on this page answers for it: it neither expires nor is retracted from outside
 * @property {unknown} timer
 */

/**
 * @template {MessageElement} E
 * @typedef {object} TimelineOptions
 * @property {{insertBefore: (element: E, before: E | null) => unknown}} list
 * @property {(message: Provisional & {id?: string}, status: Status, element?: E) => E} render fills the element, or a
 *   new one
 * @property {import('./waiting.js').Clock} [clock]
 * @property {() => void} [onChange]
 */

/** @template {MessageElement} E */
export class Timeline {
  /** Ascending. @type {Row<E>[]} */
  #rows = [];
  /** By provisional id; in order of arrival, which a Map keeps. @type {Map<string, Guest<E>>} */
  #guests = new Map();
  /** @type {Set<string>} */
  #settled = new Set();
  #list;
  #render;
  #clock;
  #onChange;

  /** @param {TimelineOptions<E>} options */
  constructor({ list, render, clock = systemClock, onChange = () => {} }) {
    this.#list = list;
    this.#render = render;
    this.#clock = clock;
    this.#onChange = onChange;
  }

  /** How many messages are on the page. */
  get size() {
    return this.#rows.length + this.#guests.size;
  }

  /** The oldest stored message on the page: where older ones are asked for. */
  get oldestId() {
    return this.#rows[0]?.id;
  }

  /**
   * Whether this message is on the page, on its way.
   *
   * @param {string} provisionalId
   */
  awaits(provisionalId) {
    return this.#guests.has(provisionalId);
  }

  /** When the newest stored message on the page was said. */
  get newestDate() {
    return this.#rows.at(-1)?.date;
  }

  /** The provisional ids of the stored messages on the page. */
  keys() {
    return this.#settled.values();
  }

  /**
   * Takes over what the server rendered, in the order of the page.
   *
   * @param {Final} message
   * @param {E} element
   */
  adopt(message, element) {
    const at = parseId(message.id);
    if (!at) return;
    const { id, date, provisionalId } = message;
    this.#rows.push({ ...at, id, date, provisionalId, element });
    this.#settled.add(provisionalId);
  }

  /**
   * @param {Final} message
   * @returns {'added' | 'settled' | 'known'} `settled`: it was on the page already, on its way
   */
  final(message) {
    const [oldest] = this.#rows;
    const at = parseId(message.id);
    // A late answer to a post of long ago is among the older messages, with all that came between.
    if (oldest && at?.epoch === oldest.epoch && at.seq < oldest.seq) {
      this.drop(message.provisionalId);
      return 'known';
    }
    const outcome = this.#place(message);
    if (outcome !== 'known') this.#onChange();
    return outcome;
  }

  /**
   * @param {Provisional} message
   * @returns {boolean} whether it is new on the page
   */
  provisional(message) {
    return this.#welcome(message, false);
  }

  /**
   * A message of this page's own, from the moment it is sent, or sent again, until `final` or `drop`.
   *
   * @param {Provisional} message
   */
  pending(message) {
    this.#welcome(message, true);
  }

  /**
   * A message of this page's own could not be sent. It stays until it is sent again, or dropped.
   *
   * @param {string} provisionalId
   * @returns {E | undefined} undefined: it is stored, or gone
   */
  failed(provisionalId) {
    const guest = this.#guests.get(provisionalId);
    return guest && this.#render(guest.message, 'failed', guest.element);
  }

  /** @param {string} provisionalId */
  retract(provisionalId) {
    if (!this.#guests.get(provisionalId)?.pending) this.drop(provisionalId);
  }

  /** @param {string} provisionalId */
  drop(provisionalId) {
    const guest = this.#release(provisionalId);
    if (!guest) return;
    guest.element.remove();
    this.#onChange();
  }

  /**
   * Shows these messages and no other stored ones. What is on its way stays, unless it is among them.
   *
   * @param {Final[]} messages
   */
  reset(messages) {
    const kept = new Set(messages.map((message) => message.id));
    this.#discard((row) => !kept.has(row.id));
    for (const message of messages) this.#place(message);
    this.#onChange();
  }

  /** @param {Final[]} messages */
  prepend(messages) {
    for (const message of messages) this.#place(message);
    this.#onChange();
  }

  /**
   * Forgets the oldest, so that a page left open for weeks does not grow for weeks.
   *
   * @param {number} count how many stored messages may stay
   */
  trim(count) {
    const oldest = this.#rows.at(-count);
    if (!oldest) return;
    this.#discard((row) => row.seq < oldest.seq);
    this.#onChange();
  }

  /**
   * @param {Final} message
   * @returns {'added' | 'settled' | 'known'}
   */
  #place(message) {
    const at = parseId(message.id);
    if (!at) return 'known';
    const newest = this.#rows.at(-1);
    if (newest && newest.epoch !== at.epoch) {
      // Epochs have no order, so the dates decide which history is the one that was lost.
      if (message.date < newest.date) return 'known';
      this.#discard(() => true);
    }
    // Almost always the end; anything else is a late answer or an older page.
    let index = this.#rows.length;
    while (index > 0 && this.#rows[index - 1].seq > at.seq) index -= 1;
    if (this.#rows[index - 1]?.seq === at.seq) return 'known';

    const guest = this.#release(message.provisionalId);
    const element = this.#render(message, 'final', guest?.element);
    const next = this.#rows[index]?.element ?? this.#firstGuest();
    const { id, date, provisionalId } = message;
    this.#rows.splice(index, 0, { ...at, id, date, provisionalId, element });
    this.#settled.add(provisionalId);
    // Where it stands already it keeps the focus, or the selection, that moving it would lose.
    if (!guest || element.nextElementSibling !== next) this.#list.insertBefore(element, next);
    return guest ? 'settled' : 'added';
  }

  /**
   * @param {Provisional} message
   * @param {boolean} pending
   */
  #welcome(message, pending) {
    const { provisionalId } = message;
    if (this.#settled.has(provisionalId)) return false;
    const known = this.#guests.get(provisionalId);
    if (known) {
      // Sent again, maybe after a copy of the event of the first time was here.
      if (pending) {
        this.#clock.clearTimeout(known.timer);
        known.pending = true;
        known.message = message;
        this.#render(message, 'pending', known.element);
      }
      return false;
    }
    const element = this.#render(message, pending ? 'pending' : 'provisional');
    const timer = pending ? undefined : this.#clock.setTimeout(() => this.drop(provisionalId), PROVISIONAL_MS);
    this.#guests.set(provisionalId, { message, element, pending, timer });
    this.#list.insertBefore(element, null);
    this.#onChange();
    return true;
  }

  /**
   * Takes a message out of those on their way and leaves its element where it is.
   *
   * @param {string} provisionalId
   */
  #release(provisionalId) {
    const guest = this.#guests.get(provisionalId);
    if (!guest) return undefined;
    this.#clock.clearTimeout(guest.timer);
    this.#guests.delete(provisionalId);
    return guest;
  }

  #firstGuest() {
    for (const guest of this.#guests.values()) return guest.element;
    return null;
  }

  /** @param {(row: Row<E>) => boolean} unwanted */
  #discard(unwanted) {
    this.#rows = this.#rows.filter((row) => {
      if (!unwanted(row)) return true;
      row.element.remove();
      this.#settled.delete(row.provisionalId);
      return false;
    });
  }
}
