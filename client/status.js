/**
 * How things are, in words: whether the page is live, quietly; and what failed, where it stands if it is a message's, and
 * above the box if it is none's.
 */

import { part, write } from './render.js';

/** What is over sooner is nobody's concern. */
const GRACE_MS = { reconnecting: 1_000, 'catching-up': 400 };

/** @typedef {import('./stream.js').StreamState} StreamState */

/**
 * @param {HTMLElement} line
 * @returns {(state: StreamState, problem?: string) => void}
 */
export function statusLine(line) {
  /** @type {ReturnType<typeof setTimeout> | undefined} */
  let later;
  return (state, problem) => {
    clearTimeout(later);
    const show = () => {
      line.dataset.state = state === 'reconnecting' && !navigator.onLine ? 'offline' : state;
      // A sentence stands below the bar; a word stands in it.
      line.classList.toggle('long', problem !== undefined || state === 'stopped');
      write(line, words(state, problem));
    };
    const grace = line.dataset.state === 'live' && state in GRACE_MS
      ? GRACE_MS[/** @type {keyof typeof GRACE_MS} */ (state)] : 0;
    if (grace > 0) later = setTimeout(show, grace);
    else show();
  };
}

/**
 * @param {StreamState} state
 * @param {string} [problem]
 */
function words(state, problem) {
  switch (state) {
    case 'connecting': return 'Connecting…';
    case 'live': return 'Live';
    case 'catching-up': return 'Catching up…';
    case 'stopped': return 'The server ended this stream. Reload the page to see new messages.';
    default:
      if (!navigator.onLine) return 'Offline';
      return problem ? `Reconnecting… ${problem}` : 'Reconnecting…';
  }
}

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
