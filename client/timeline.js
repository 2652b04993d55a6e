/**
 * The messages on the page: stored messages in the order of their numbers, followed by unstored ones in order of arrival.
 * An unstored message keeps its element when it is stored, so that nothing flickers.
 *
 * Elements come from `render`; this module only moves them, so that tests need only a stub of a document.
 */

import { parseId } from './message.js';
import { systemClock } from './waiting.js';

/** A provisional message older than this will not be stored: its server died between the two events. */
const PROVISIONAL_MS = 20_000;

/**
 * @typedef {import('./message.js').Final} Final
 * @typedef {import('./message.js').Provisional} Provisional
 *
 * @typedef {object} MessageElement what this module needs of an element
 * @property {() => void} remove
 * @property {unknown} [nextElementSibling]
 *
 * @typedef {'provisional' | 'pending' | 'failed' | 'final'} Status `pending`: this page is sending it
 */

/**
 * @template {MessageElement} E
 * @typedef {object} Row a stored message
 * @property {string} id
 * @property {string} epoch
 * @property {number} seq
 * @property {string} date
 * @property {string} provisionalId
 * @property {E} element
 */

/**
 * @template {MessageElement} E
 * @typedef {object} Unstored a message that is not stored yet
 * @property {Provisional} message
 * @property {E} element
 * @property {boolean} pending this page is sending it, so it neither expires nor is removed by a retraction
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
  /** By provisional id; in order of arrival, which a Map keeps. @type {Map<string, Unstored<E>>} */
  #unstored = new Map();
  /** The provisional ids of stored messages. @type {Set<string>} */
  #storedKeys = new Set();
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

  /** The number of messages on the page. */
  get size() {
    return this.#rows.length + this.#unstored.size;
  }

  /** The id of the oldest stored message on the page. */
  get oldestId() {
    return this.#rows[0]?.id;
  }

  /**
   * Whether this message is on the page and not stored yet.
   *
   * @param {string} provisionalId
   */
  awaits(provisionalId) {
    return this.#unstored.has(provisionalId);
  }

  /** The date of the newest stored message on the page. */
  get newestDate() {
    return this.#rows.at(-1)?.date;
  }

  /** The provisional ids of the stored messages on the page. */
  keys() {
    return this.#storedKeys.values();
  }

  /**
   * Adopts a message that the server rendered. Call it in the order of the page.
   *
   * @param {Final} message
   * @param {E} element
   */
  adopt(message, element) {
    const at = parseId(message.id);
    if (!at) return;
    const { id, date, provisionalId } = message;
    this.#rows.push({ ...at, id, date, provisionalId, element });
    this.#storedKeys.add(provisionalId);
  }

  /**
   * @param {Final} message
   * @returns {'added' | 'settled' | 'known'} `settled`: it was on the page already, as an unstored message
   */
  final(message) {
    const [oldest] = this.#rows;
    const at = parseId(message.id);
    // A late response to an old post: it will be loaded with the older messages around it.
    if (oldest && at?.epoch === oldest.epoch && at.seq < oldest.seq) {
      this.drop(message.provisionalId);
      return 'known';
    }
    const outcome = this.#insert(message);
    if (outcome !== 'known') this.#onChange();
    return outcome;
  }

  /**
   * @param {Provisional} message
   * @returns {boolean} whether it is new on the page
   */
  provisional(message) {
    return this.#addUnstored(message, false);
  }

  /**
   * Shows a message that this page sends, or sends again, until `final` or `drop`.
   *
   * @param {Provisional} message
   */
  pending(message) {
    this.#addUnstored(message, true);
  }

  /**
   * Marks a message of this page as failed. It stays until it is sent again or dropped.
   *
   * @param {string} provisionalId
   * @returns {E | undefined} undefined if it is stored or was removed
   */
  failed(provisionalId) {
    const known = this.#unstored.get(provisionalId);
    return known && this.#render(known.message, 'failed', known.element);
  }

  /** @param {string} provisionalId */
  retract(provisionalId) {
    if (!this.#unstored.get(provisionalId)?.pending) this.drop(provisionalId);
  }

  /** @param {string} provisionalId */
  drop(provisionalId) {
    const removed = this.#release(provisionalId);
    if (!removed) return;
    removed.element.remove();
    this.#onChange();
  }

  /**
   * Shows these messages and no other stored ones. Unstored messages stay, unless they are among these.
   *
   * @param {Final[]} messages
   */
  reset(messages) {
    const kept = new Set(messages.map((message) => message.id));
    this.#discard((row) => !kept.has(row.id));
    for (const message of messages) this.#insert(message);
    this.#onChange();
  }

  /** @param {Final[]} messages */
  prepend(messages) {
    for (const message of messages) this.#insert(message);
    this.#onChange();
  }

  /**
   * Removes the oldest, so that a page left open for weeks does not grow.
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
  #insert(message) {
    const at = parseId(message.id);
    if (!at) return 'known';
    const newest = this.#rows.at(-1);
    if (newest && newest.epoch !== at.epoch) {
      // Epochs have no order, so the dates decide which history is the one that was lost.
      if (message.date < newest.date) return 'known';
      this.#discard(() => true);
    }
    // Almost always at the end; otherwise it is a late response or an older page.
    let index = this.#rows.length;
    while (index > 0 && this.#rows[index - 1].seq > at.seq) index -= 1;
    if (this.#rows[index - 1]?.seq === at.seq) return 'known';

    const known = this.#release(message.provisionalId);
    const element = this.#render(message, 'final', known?.element);
    const next = this.#rows[index]?.element ?? this.#firstUnstored();
    const { id, date, provisionalId } = message;
    this.#rows.splice(index, 0, { ...at, id, date, provisionalId, element });
    this.#storedKeys.add(provisionalId);
    // Moving an element that is already in its position would lose the focus or the selection.
    if (!known || element.nextElementSibling !== next) this.#list.insertBefore(element, next);
    return known ? 'settled' : 'added';
  }

  /**
   * @param {Provisional} message
   * @param {boolean} pending
   */
  #addUnstored(message, pending) {
    const { provisionalId } = message;
    if (this.#storedKeys.has(provisionalId)) return false;
    const known = this.#unstored.get(provisionalId);
    if (known) {
      // Sent again, maybe after the provisional event of the first attempt arrived.
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
    this.#unstored.set(provisionalId, { message, element, pending, timer });
    this.#list.insertBefore(element, null);
    this.#onChange();
    return true;
  }

  /**
   * Removes a message from the unstored ones and leaves its element in the list.
   *
   * @param {string} provisionalId
   */
  #release(provisionalId) {
    const known = this.#unstored.get(provisionalId);
    if (!known) return undefined;
    this.#clock.clearTimeout(known.timer);
    this.#unstored.delete(provisionalId);
    return known;
  }

  #firstUnstored() {
    for (const { element } of this.#unstored.values()) return element;
    return null;
  }

  /** @param {(row: Row<E>) => boolean} unwanted */
  #discard(unwanted) {
    this.#rows = this.#rows.filter((row) => {
      if (!unwanted(row)) return true;
      row.element.remove();
      this.#storedKeys.delete(row.provisionalId);
      return false;
    });
  }
}
