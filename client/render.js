/**
 * Messages as elements. The markup is the page's own `<template>`, rendered by the server from the same source as the
 * history, so it stands in one place. Only `textContent` is written: what people say is never markup.
 */

/** @typedef {import('./timeline.js').Status} Status */
/** @typedef {import('./message.js').Provisional & {id?: string}} Shown */

/**
 * @param {HTMLTemplateElement} template
 * @param {string} user
 * @returns {(message: Shown, status: Status, element?: HTMLElement) => HTMLElement}
 */
export function renderer(template, user) {
  return (message, status, element) => {
    const item = element ?? blank(template);
    item.classList.toggle('own', status === 'pending' || message.from === user);
    item.classList.toggle('pending', status === 'pending');
    item.classList.toggle('provisional', status === 'provisional');
    item.dataset.provisionalId = message.provisionalId;
    if (message.id !== undefined) {
      item.dataset.id = message.id;
      item.dataset.seq = message.id.slice(message.id.indexOf('-') + 1);
    }
    write(item, '.author', message.from);
    write(item, '.text', message.text);
    const time = part(item, 'time');
    time.setAttribute('datetime', message.date);
    localize(time);
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
  const time = part(item, 'time');
  localize(time);
  return {
    id: item.dataset.id ?? '',
    provisionalId: item.dataset.provisionalId ?? '',
    from: part(item, '.author').textContent ?? '',
    text: part(item, '.text').textContent ?? '',
    date: time.getAttribute('datetime') ?? '',
  };
}

const clockTime = new Intl.DateTimeFormat(undefined, { hour: '2-digit', minute: '2-digit' });
const dayAndTime = new Intl.DateTimeFormat(undefined, {
  day: 'numeric', month: 'short', hour: '2-digit', minute: '2-digit',
});
const inFull = new Intl.DateTimeFormat(undefined, { dateStyle: 'full', timeStyle: 'medium' });

/**
 * The server writes UTC, the reader lives somewhere.
 *
 * @param {HTMLElement} time
 */
function localize(time) {
  const date = new Date(time.getAttribute('datetime') ?? '');
  if (Number.isNaN(date.getTime())) return;
  const today = date.toDateString() === new Date().toDateString();
  time.textContent = (today ? clockTime : dayAndTime).format(date);
  time.title = inFull.format(date);
}

/** @param {HTMLTemplateElement} template */
function blank(template) {
  return /** @type {HTMLElement} */ (/** @type {Element} */ (template.content.firstElementChild).cloneNode(true));
}

/**
 * @param {HTMLElement} item
 * @param {string} selector
 * @param {string} text
 */
function write(item, selector, text) {
  const target = part(item, selector);
  // An unchanged text keeps its node, and with it the reader's selection.
  if (target.textContent !== text) target.textContent = text;
}

/**
 * @param {HTMLElement} item
 * @param {string} selector
 */
function part(item, selector) {
  return /** @type {HTMLElement} */ (item.querySelector(selector));
}
