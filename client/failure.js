/** A message that was not sent says so, where it stands, and what can be done about it. */

import { part } from './render.js';

/**
 * @param {HTMLElement} item
 * @param {string} reason
 * @param {[label: string, act: () => void][]} actions
 */
export function showFailure(item, reason, actions) {
  item.querySelector('.failure')?.remove();
  const line = document.createElement('p');
  line.className = 'failure';
  line.append(`Not sent: ${sentence(reason)} `);
  for (const [label, act] of actions) {
    const button = document.createElement('button');
    button.type = 'button';
    button.textContent = label;
    // A screen reader that goes from button to button must hear whose it is.
    button.setAttribute('aria-label', `${label}: ${part(item, '.text').textContent?.slice(0, 60)}`);
    button.addEventListener('click', act);
    line.append(button, ' ');
  }
  item.append(line);
}

/**
 * The server's words are a clause without a full stop.
 *
 * @param {string} clause
 */
export const sentence = (clause) => clause.replace(/[.!?]?$/u, '.');
