/**
 * Messages as elements. The markup is the page's own `<template>`, rendered by the server from the same source as the
 * history, so it stands in one place. Only `textContent` and the addresses of links are written: what people say is
 * never markup.
 *
 * What stands for an author is one or two letters, and one of a few hues, the same in every browser. The server does the
 * same (src/web/pages/author.rs); tests/client/vectors/author.json holds both to it.
 */

import { isEmojiAlone, pieces } from './text.js';

/** As many hues as base.css has. */
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
    // The order of `class` in src/web/pages/view.rs.
    item.className = [
      `message hue-${hue(from)}`,
      own && 'own',
      isEmojiAlone(text) && 'emoji',
      item.classList.contains('lead') && 'lead',
      status !== 'final' && status,
    ].filter(Boolean).join(' ');
    item.dataset.provisionalId = provisionalId;
    if (id !== undefined) {
      item.dataset.id = id;
      item.dataset.seq = id.slice(id.indexOf('-') + 1);
    }
    const failure = status === 'failed' ? null : item.querySelector('.failure');
    // Whoever was about to retry what has arrived by itself must not be thrown out of the page.
    if (failure?.contains(document.activeElement)) /** @type {HTMLElement} */ (item.closest('.log')).focus();
    failure?.remove();
    write(part(item, '.avatar'), initials(from));
    write(part(item, '.author'), from);
    const body = part(item, '.text');
    // An unchanged text keeps its nodes, and with them the reader's selection.
    if (body.textContent !== text) body.replaceChildren(...pieces(text).map(node));
    part(item, 'time').setAttribute('datetime', date);
    return item;
  };
}

/**
 * A message the server rendered.
 *
 * @param {HTMLElement} item
 * @returns {import('./message.js').Final}
 */
export function readMessage(item) {
  return {
    id: item.dataset.id ?? '',
    provisionalId: item.dataset.provisionalId ?? '',
    from: authorOf(item),
    text: part(item, '.text').textContent ?? '',
    date: part(item, 'time').getAttribute('datetime') ?? '',
  };
}

/** @param {HTMLElement} item */
export const authorOf = (item) => part(item, '.author').textContent ?? '';

/**
 * @param {HTMLElement} item
 * @param {string} selector
 */
export function part(item, selector) {
  return /** @type {HTMLElement} */ (item.querySelector(selector));
}

/**
 * Rewriting the same words would lose a selection, and make a screen reader say them again.
 *
 * @param {HTMLElement} target
 * @param {string} text
 */
export function write(target, text) {
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
 * The first letters of the first and the last word.
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
 * FNV-1a, which spreads short names well and is a few lines on both sides.
 *
 * @param {string} name
 * @returns {number} from 0
 */
export function hue(name) {
  let hash = 0x811c9dc5;
  for (const byte of new TextEncoder().encode(name)) hash = Math.imul(hash ^ byte, 0x01000193) >>> 0;
  return hash % HUES;
}
