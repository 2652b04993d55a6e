/**
 * Renders messages. The markup is the page's `<template>`, which the server renders from the same source as the history.
 * This module writes only `textContent` and the addresses of links, so that a message is never interpreted as markup.
 *
 * An author has one or two initials and one of a few hues, the same in every browser. The server computes the same
 * (src/web/pages/author.rs); tests/client/vectors/author.json tests both.
 */

import { isEmojiOnly, pieces } from './text.js';

/** Classes `hue-0` to `hue-11` in base.css. */
const HUES = 12;

/** @typedef {import('./timeline.js').Status} Status */
/** @typedef {import('./message.js').Provisional & {id?: string}} Shown */

/**
 * @param {HTMLTemplateElement} template
 * @param {string} user
 * @returns {(message: Shown, status: Status, element?: HTMLElement) => HTMLElement}
 */
export function renderer(template, user) {
  return (message, status, element) => {
    const item = element ?? /** @type {HTMLElement} */ (template.content.firstElementChild?.cloneNode(true));
    const { from, text, date, id, provisionalId } = message;
    const own = status === 'pending' || status === 'failed' || from === user;
    // In the same order as `class` in src/web/pages/view.rs.
    item.className = [
      `message hue-${hue(from)}`,
      own && 'own',
      isEmojiOnly(text) && 'emoji',
      item.classList.contains('lead') && 'lead',
      status !== 'final' && status,
    ].filter(Boolean).join(' ');
    item.dataset.provisionalId = provisionalId;
    if (id !== undefined) {
      item.dataset.id = id;
      item.dataset.seq = id.slice(id.indexOf('-') + 1);
    }
    const failure = status === 'failed' ? null : item.querySelector('.failure');
    // The message arrived by itself while its retry button had the focus: keep the focus in the log.
    if (failure?.contains(document.activeElement)) /** @type {HTMLElement} */ (item.closest('.log')).focus();
    failure?.remove();
    setText(child(item, '.avatar'), initials(from));
    setText(child(item, '.author'), from);
    const body = child(item, '.text');
    // An unchanged text keeps its nodes and so the reader's selection.
    if (body.textContent !== text) body.replaceChildren(...pieces(text).map(node));
    child(item, 'time').setAttribute('datetime', date);
    return item;
  };
}

/**
 * Reads a message from the element that the server rendered.
 *
 * @param {HTMLElement} item
 * @returns {import('./message.js').Final}
 */
export function readMessage(item) {
  return {
    id: item.dataset.id ?? '',
    provisionalId: item.dataset.provisionalId ?? '',
    from: authorOf(item),
    text: child(item, '.text').textContent ?? '',
    date: child(item, 'time').getAttribute('datetime') ?? '',
  };
}

/** @param {HTMLElement} item */
export const authorOf = (item) => child(item, '.author').textContent ?? '';

/**
 * @param {HTMLElement} item
 * @param {string} selector
 */
export function child(item, selector) {
  return /** @type {HTMLElement} */ (item.querySelector(selector));
}

/**
 * Sets a text unless it is the same: that would lose a selection and be announced again by a screen reader.
 *
 * @param {HTMLElement} target
 * @param {string} text
 */
export function setText(target, text) {
  if (target.textContent !== text) target.textContent = text;
}

/** @param {import('./text.js').Piece} piece */
function node({ text, href }) {
  if (href === undefined) return document.createTextNode(text);
  const link = document.createElement('a');
  link.setAttribute('href', href);
  link.target = '_blank';
  link.rel = 'noopener nofollow ugc';
  link.textContent = text;
  return link;
}

/**
 * The first letters or digits of the first and the last word.
 *
 * @param {string} name
 */
export function initials(name) {
  const words = name.split(/\s+/u).filter((word) => word !== '');
  const letters = [words.at(0), words.length > 1 ? words.at(-1) : undefined].map((word = '') => {
    const characters = [...word];
    return characters.find((character) => /[\p{Alphabetic}\p{N}]/u.test(character)) ?? '';
  });
  return letters.join('').toUpperCase() || ([...name.trim()][0] ?? '');
}

/**
 * An FNV-1a hash: it distributes short names well and takes few lines here and on the server.
 *
 * @param {string} name
 * @returns {number} 0 to 11
 */
export function hue(name) {
  let hash = 0x811c9dc5;
  for (const byte of new TextEncoder().encode(name)) hash = Math.imul(hash ^ byte, 0x01000193) >>> 0;
  return hash % HUES;
}
