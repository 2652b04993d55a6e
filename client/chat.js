/** The room page: connects the stream, the list of messages and the composer. */

import { createBacklog } from './backlog.js';
import { compose } from './composer.js';
import { group } from './grouping.js';
import { loadOlder, newest } from './history.js';
import { announcer, unreadCount } from './news.js';
import { readMessage, renderer } from './render.js';
import { listRooms } from './rooms.js';
import { followEnd } from './scroll.js';
import { createSender } from './send.js';
import { shareLink } from './share.js';
import { limitStreams } from './slots.js';
import { problemArea, sentence, showFailure, statusLine } from './status.js';
import { outbox, persistent } from './storage.js';
import { shareStream } from './tabs.js';
import { Timeline } from './timeline.js';

/** Messages on the page of a reader who is near the end. For a reader further up, none are removed. */
const MAX_SHOWN = 500;

/** Messages above the limit that are removed together instead of one by one. */
const SURPLUS = 50;

/** Streamed messages kept while a snapshot is fetched. If there are more, the snapshot contains the oldest of them. */
const MAX_HELD = 200;

/** In a message, as the server counts them (src/chat/message.rs). */
const MAX_CHARS = 4_000;

/** @typedef {import('./message.js').Final} Final */
/** @typedef {import('./message.js').Provisional} Provisional */

/**
 * @template {HTMLElement} [T=HTMLElement]
 * @param {string} id
 */
const element = (id) => /** @type {T} */ (document.getElementById(id));

const { room = '', roomPath = '', user = '', cursor = '0' } = element('chat').dataset;
const url = `/rooms/${roomPath}/messages/`;
persistent.put('name', user);

const list = element('messages');
const log = element('log');
const earlier = element('earlier');
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
group(list);

const announce = announcer(element('news'));
const problems = problemArea(element('problems'), () => composer.focus());
const scroll = followEnd(log, list, () => {
  unread.update();
  backlog.drain();
  trim();
});
const unread = unreadCount(element('jump'), log, scroll.atEnd);
const backlog = createBacklog({
  isNear: scroll.isNear,
  show: insert,
  replace(messages) {
    timeline.reset(messages);
    earlier.hidden = false;
  },
  refresh: () => void refresh(),
});
element('jump').addEventListener('click', jumpToEnd);
const status = statusLine(element('status'));
/** The last state that the stream reported. @type {Parameters<typeof status>} */
let streamState = ['connecting'];
let wasLive = false;

/** Messages that arrived while a snapshot is being fetched. @type {Final[] | null} */
let held = null;
let resync = new AbortController();

const unsentStore = outbox(roomPath, user);
const sender = createSender({
  url,
  user,
  cursor: () => stream.cursor(),
  onPending(draft) {
    timeline.pending(draft);
    jumpToEnd();
  },
  onSent: receive,
  onFailed: showFailed,
  onUnsent(unsent) {
    unsentStore.save(unsent);
    // Set only while something is unsent: not every browser keeps a page with such a handler in its back/forward cache.
    globalThis.onbeforeunload = unsent.length > 0 ? () => true : null;
  },
});
const composer = compose(element('composer'), element('text'), `draft.${roomPath}.${user}`, send);

const stream = shareStream({
  url,
  cursor,
  name: `gripchat.room.${roomPath}`,
  limit: limitStreams,
  onMessage: receive,
  onProvisional(message) {
    // A reader far from the end gets it when it is stored.
    if (scroll.isNear() && timeline.provisional(message)) notify(message);
  },
  onRetract(provisionalId) {
    timeline.retract(provisionalId);
    unread.remove(provisionalId);
  },
  onReset: () => void refresh(),
  onState(...state) {
    if (state[0] === 'live' && streamState[0] !== 'live') {
      // Not the first time: what an earlier page failed to send waits for the user.
      if (wasLive) sender.resume();
      wasLive = true;
    }
    streamState = state;
    if (!held || state[0] !== 'live') status(...state);
  },
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
  sender.settle(message);
  // A message that is already on the page gets its number there, and still waits with the others: they must be complete.
  const shown = timeline.awaits(message.provisionalId) && insert(message);
  if (backlog.add(message) ? !shown : insert(message) === 'added') notify(message);
  markSeen?.();
}

/** @param {Final} message */
function insert(message) {
  const outcome = timeline.final(message);
  trim();
  return outcome;
}

function trim() {
  if (timeline.size <= MAX_SHOWN + SURPLUS || !scroll.isNear()) return;
  timeline.trim(MAX_SHOWN);
  earlier.hidden = false;
}

function jumpToEnd() {
  scroll.toEnd();
  backlog.jump();
}

/** @param {Provisional} message */
function notify({ provisionalId, from, text }) {
  if (from !== user && unread.add(provisionalId)) announce(`${from}: ${text}`);
}

async function refresh() {
  resync.abort();
  resync = new AbortController();
  const { signal } = resync;
  held = [];
  status('catching-up');
  try {
    const snapshot = await newest(url, signal);
    // A later reset fetches its own snapshot and holds its own messages.
    if (signal.aborted) return;
    const arrived = held;
    held = null;
    backlog.clear();
    timeline.reset(snapshot.messages);
    earlier.hidden = !snapshot.more;
    snapshot.messages.forEach(sender.settle);
    arrived.forEach(show);
    status(...streamState);
  } catch (error) {
    if (!signal.aborted) throw error;
  }
}

/** @param {string} text */
function send(text) {
  // Not UTF-16 units: 4,000 emoji are 4,000 characters.
  const { length } = [...text];
  problems.clear('sending');
  if (length > MAX_CHARS) {
    problems.show('sending', `Your message has ${length.toLocaleString('en')} characters; 4,000 are allowed.`);
  } else if (!sender.send(text)) {
    problems.show('sending', 'Too many messages are waiting to be sent. Try again in a moment.');
  } else {
    return true;
  }
  return false;
}

/** @param {import('./send.js').Failure} failure */
function showFailed({ key, reason, refused }) {
  const item = timeline.failed(key);
  announce(`Not sent: ${sentence(reason)}`);
  if (!item) {
    // Another user's message with this key is on the page.
    composer.add(sender.discard(key) ?? '');
    return;
  }
  const discard = () => {
    timeline.drop(key);
    composer.focus();
    return sender.discard(key) ?? '';
  };
  const retry = () => {
    sender.retry(key);
    composer.focus();
  };
  // A refused message would be refused again.
  const remedy = refused
    ? /** @type {const} */ (['Edit', () => composer.add(discard())])
    : /** @type {const} */ (['Retry', retry]);
  showFailure(item, reason, [[...remedy], ['Discard', discard]]);
}

restore();
// Before this page saves anything: saving overwrites what the pages visited in between have saved.
globalThis.addEventListener('pageshow', ({ persisted }) => { if (persisted) restore(); });

function restore() {
  // What is on the page was stored, even if an earlier page did not learn it.
  const stored = new Set(timeline.keys());
  sender.restore(unsentStore.load().filter(({ key }) => !stored.has(key)));
}

loadOlder({
  url,
  log,
  link: earlier,
  oldestId: () => timeline.oldestId,
  onPage(page) {
    page.messages.forEach(sender.settle);
    timeline.prepend(page.messages);
    if (!page.more && document.activeElement === earlier) log.focus();
    earlier.hidden = !page.more;
  },
  onOutcome(failed) {
    if (failed) problems.show('earlier', 'Earlier messages could not be loaded. Try again.');
    else problems.clear('earlier');
  },
});
// Missing if the operator turned the list of rooms off.
const rooms = document.getElementById('room-list');
const markSeen = rooms && listRooms({
  list: rooms,
  more: element('more-rooms'),
  room,
  user,
  newest: () => timeline.newestDate,
});
shareLink(element('share'), element('share-label'), new URL(`/${roomPath}`, location.href).href, announce);
