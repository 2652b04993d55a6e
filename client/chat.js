/** The room page: connects the stream, the list of messages and the box to write in. */

import { announcer } from './announce.js';
import { compose } from './composer.js';
import * as history from './history.js';
import { rememberName } from './name.js';
import { problemArea } from './problems.js';
import { readMessage, renderer } from './render.js';
import { followEnd } from './scroll.js';
import { createSender } from './send.js';
import { statusLine } from './status.js';
import { openStream } from './stream.js';
import { Timeline } from './timeline.js';

/** Stored messages on the page, for a reader at the end; who reads further up keeps them all. */
const MAX_SHOWN = 1_000;

/** What the stream delivers while a snapshot is fetched. Of more, the snapshot itself will hold the oldest. */
const MAX_HELD = 200;

/** @typedef {import('./message.js').Final} Final */
/** @typedef {import('./message.js').Provisional} Provisional */

/**
 * @template {HTMLElement} [T=HTMLElement]
 * @param {string} id
 */
const element = (id) => /** @type {T} */ (document.getElementById(id));

const { roomPath = '', user = '', cursor = '0' } = element('chat').dataset;
const url = `/rooms/${roomPath}/messages/`;
rememberName(user);

const list = element('messages');
/** @type {HTMLButtonElement} */
const earlier = element('earlier');
const jump = element('jump');
const empty = element('empty');

/** @type {Timeline<HTMLElement>} */
const timeline = new Timeline({
  list,
  render: renderer(element('message'), user),
  onChange: () => { empty.hidden = timeline.size > 0; },
});
for (const item of list.children) {
  timeline.adopt(readMessage(/** @type {HTMLElement} */ (item)), /** @type {HTMLElement} */ (item));
}

const announce = announcer(element('news'));
const problems = problemArea(element('problems'));
const scroll = followEnd(element('log'), list, (atEnd) => {
  if (atEnd) jump.hidden = true;
});
jump.addEventListener('click', scroll.toEnd);

/** Messages that came while a snapshot is being fetched. @type {Final[] | null} */
let held = null;
let resync = new AbortController();

const sender = createSender({
  url,
  user,
  cursor: () => stream.cursor(),
  onPending(draft) {
    timeline.pending(draft);
    scroll.toEnd();
  },
  onSent: receive,
  onFailed: failed,
});
/** @type {HTMLTextAreaElement} */
const box = element('text');
const composer = compose(element('composer'), box, send);
/** Texts put back into the box, by key. @type {Map<string, string>} */
const returned = new Map();

const stream = openStream({
  url,
  cursor,
  onMessage: receive,
  onProvisional(message) {
    if (timeline.provisional(message)) news(message);
  },
  onRetract: (provisionalId) => timeline.retract(provisionalId),
  onReset: () => void refresh(),
  onState: statusLine(element('status')),
});

/** @param {Final} message */
function receive(message) {
  if (held) {
    held.push(message);
    if (held.length > MAX_HELD) held.shift();
  } else {
    show(message);
  }
}

/** @param {Final} message */
function show(message) {
  const outcome = timeline.final(message);
  settle(message);
  if (outcome === 'added') news(message);
  if (scroll.atEnd() && timeline.trim(MAX_SHOWN)) earlier.hidden = false;
}

/** @param {Provisional} message */
function news(message) {
  if (message.from === user) return;
  announce(message);
  if (!scroll.atEnd()) jump.hidden = false;
}

/**
 * A message of this page that is stored needs no retry and no alert, whoever brought the news.
 *
 * @param {Final} message
 */
function settle(message) {
  if (!sender.settle(message)) return;
  const { provisionalId } = message;
  problems.clear(provisionalId);
  if (returned.get(provisionalId) === composer.text()) composer.put('');
  returned.delete(provisionalId);
}

async function refresh() {
  resync.abort();
  resync = new AbortController();
  const { signal } = resync;
  held = [];
  try {
    const snapshot = await history.newest(url, signal);
    // A later reset has its own snapshot on the way, and its own messages held.
    if (signal.aborted) return;
    const arrived = held;
    held = null;
    timeline.reset(snapshot.messages);
    earlier.hidden = !snapshot.more;
    snapshot.messages.forEach(settle);
    arrived.forEach(show);
  } catch (error) {
    if (!signal.aborted) throw error;
  }
}

/** @param {string} text */
function send(text) {
  if (sender.send(text)) {
    // Whoever sends on has seen which text came back, and has sent it again or thought better of it.
    for (const key of returned.keys()) problems.clear(key);
    returned.clear();
    problems.clear('waiting');
    return true;
  }
  problems.show('waiting', 'Too many messages are waiting to be sent. Try again in a moment.');
  return false;
}

/** @param {import('./send.js').Failure} failure */
function failed({ key, text, reason }) {
  timeline.drop(key);
  // The server's words are a clause without a full stop.
  const words = `Not sent: ${reason.replace(/[.!?]?$/, '.')}`;
  if (composer.text() === '') {
    composer.put(text);
    returned.set(key, text);
    problems.show(key, `${words} Your text is back in the box.`);
  } else {
    problems.show(key, words, { text, retry: () => send(text) });
  }
}

earlier.addEventListener('click', async () => {
  const id = timeline.oldestId;
  if (id === undefined) return;
  earlier.disabled = true;
  try {
    const page = await history.before(url, id);
    // A reset in the meantime replaced what these messages came before.
    if (timeline.oldestId !== id) return;
    scroll.steady(() => {
      timeline.prepend(page.messages);
      earlier.hidden = !page.more;
    });
    problems.clear('earlier');
  } catch {
    problems.show('earlier', 'Earlier messages could not be loaded. Try again.');
  } finally {
    earlier.disabled = false;
  }
});
earlier.hidden = !('more' in element('chat').dataset);
