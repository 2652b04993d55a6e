/**
 * The status of the stream, and failures: next to the message that failed, or above the composer if there is none.
 */

import { child, setText } from './render.js';

/** A state that ends sooner is not shown. */
const GRACE_MS = { reconnecting: 1_000, 'catching-up': 400 };

/** @typedef {import('./stream.js').StreamState} StreamState */

/**
 * @param {HTMLElement} line
 * @returns {(state: StreamState, problem?: string) => void}
 */
export function statusLine(line) {
  /** @type {ReturnType<typeof setTimeout> | undefined} */
  let timer;
  return (state, problem) => {
    clearTimeout(timer);
    const show = () => {
      line.dataset.state = state === 'reconnecting' && !navigator.onLine ? 'offline' : state;
      // A sentence goes below the bar; a word fits into it.
      line.classList.toggle('long', problem !== undefined || state === 'stopped');
      setText(line, statusText(state, problem));
    };
    const grace = line.dataset.state === 'live' && state in GRACE_MS
      ? GRACE_MS[/** @type {keyof typeof GRACE_MS} */ (state)] : 0;
    if (grace > 0) timer = setTimeout(show, grace);
    else show();
  };
}

/**
 * @param {StreamState} state
 * @param {string} [problem]
 */
function statusText(state, problem) {
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
    // For screen readers that read buttons one by one: names the message.
    action.ariaLabel = `${label}: ${child(item, '.text').textContent?.slice(0, 60)}`;
    line.append(action, ' ');
  }
  item.append(line);
}

/**
 * Adds a full stop: error messages of the server have none.
 *
 * @param {string} clause
 */
export const sentence = (clause) => clause.replace(/[.!?]?$/u, '.');

/**
 * @param {HTMLElement} area on the page from the start, or screen readers would not announce what is inserted
 * @param {() => void} onDismiss must move the focus, which the dismissed problem had
 */
export function problemArea(area, onDismiss) {
  /** @type {Map<string, HTMLElement>} */
  const shown = new Map();
  return { show, clear };

  /**
   * @param {string} key
   * @param {string} text
   */
  function show(key, text) {
    if (shown.has(key)) return;
    const item = paragraph('problem', `${text} `);
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
