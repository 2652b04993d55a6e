/** What failed, in words: a message says so where it stands, and what concerns none stands above the box. */

import { part } from './render.js';

/**
 * @param {HTMLElement} item
 * @param {string} reason
 * @param {[label: string, act: () => void][]} actions
 */
export function showFailure(item, reason, actions) {
  item.querySelector('.failure')?.remove();
  const line = paragraph('failure', `Not sent: ${sentence(reason)} `);
  for (const [label, act] of actions) {
    const action = button(label, act);
    // A screen reader that goes from button to button must hear whose it is.
    action.ariaLabel = `${label}: ${part(item, '.text').textContent?.slice(0, 60)}`;
    line.append(action, ' ');
  }
  item.append(line);
}

/**
 * The server's words are a clause without a full stop.
 *
 * @param {string} clause
 */
export const sentence = (clause) => clause.replace(/[.!?]?$/u, '.');

/**
 * @param {HTMLElement} area stands on the page from the start, or screen readers would not announce what comes in
 * @param {() => void} onDismiss the focus, which was in it, is to go somewhere
 */
export function problemArea(area, onDismiss) {
  /** @type {Map<string, HTMLElement>} */
  const shown = new Map();
  return { show, clear };

  /**
   * @param {string} key
   * @param {string} words
   */
  function show(key, words) {
    if (shown.has(key)) return;
    const item = paragraph('problem', `${words} `);
    item.append(button('Dismiss', () => {
      clear(key);
      onDismiss();
    }));
    area.append(item);
    shown.set(key, item);
  }

  /** @param {string} key */
  function clear(key) {
    shown.get(key)?.remove();
    shown.delete(key);
  }
}

/**
 * @param {string} className
 * @param {string} text
 */
function paragraph(className, text) {
  const element = document.createElement('p');
  element.className = className;
  element.textContent = text;
  return element;
}

/**
 * @param {string} label
 * @param {() => void} act
 */
function button(label, act) {
  const element = document.createElement('button');
  element.type = 'button';
  element.textContent = label;
  element.addEventListener('click', act);
  return element;
}
