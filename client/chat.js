/** The room page: connects the stream, the list of messages and the box to write in. */

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
import { forGood, outbox } from './storage.js';
import { shareStream } from './tabs.js';
import { Timeline } from './timeline.js';

/** Messages on the page, for a reader near the end; who reads further up keeps them all. */
const MAX_SHOWN = 500;

/** So many more are let come together, and go together. */
const SURPLUS = 50;

/** What the stream delivers while a snapshot is fetched. Of more, the snapshot itself will hold the oldest. */
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
forGood.put('name', user);

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
  unread.moved();
  backlog.drain();
  tidy();
});
const unread = unreadCount(element('jump'), log, scroll.atEnd);
const backlog = createBacklog({
  isNear: scroll.isNear,
  show: place,
  replace(messages) {
    timeline.reset(messages);
    earlier.hidden = false;
  },
  refresh: () => void refresh(),
});
element('jump').addEventListener('click', toEnd);
const status = statusLine(element('status'));
/** What the stream says of itself. @type {Parameters<typeof status>} */
let standing = ['connecting'];
let wasLive = false;

/** Messages that came while a snapshot is being fetched. @type {Final[] | null} */
let held = null;
let resync = new AbortController();

const kept = outbox(roomPath, user);
const sender = createSender({
  url,
  user,
  cursor: () => stream.cursor(),
  onPending(draft) {
    timeline.pending(draft);
    toEnd();
  },
  onSent: receive,
  onFailed: failed,
  onUnsent(unsent) {
    kept.keep(unsent);
    // Only while there is something to ask about: not every browser keeps a page that may ask for the way back.
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
    // It comes again when it is stored, so none has to wait for a reader who is far away.
    if (scroll.isNear() && timeline.provisional(message)) news(message);
  },
  onRetract(provisionalId) {
    timeline.retract(provisionalId);
    unread.went(provisionalId);
  },
  onReset: () => void refresh(),
  onState(...now) {
    if (now[0] === 'live' && standing[0] !== 'live') {
      // What was left unsent by the page before this one is the writer's.
      if (wasLive) sender.resume();
      wasLive = true;
    }
    standing = now;
    if (!held || now[0] !== 'live') status(...now);
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
  // What is on the page already gets its number there, and is none the less one of those that wait.
  const shown = timeline.awaits(message.provisionalId) && place(message);
  if (backlog.add(message) ? !shown : place(message) === 'added') news(message);
  seen?.();
}

/** @param {Final} message */
function place(message) {
  const outcome = timeline.final(message);
  tidy();
  return outcome;
}

function tidy() {
  if (timeline.size <= MAX_SHOWN + SURPLUS || !scroll.isNear()) return;
  timeline.trim(MAX_SHOWN);
  earlier.hidden = false;
}

function toEnd() {
  scroll.toEnd();
  backlog.jump();
}

/** @param {Provisional} message */
function news({ provisionalId, from, text }) {
  if (from !== user && unread.came(provisionalId)) announce(`${from}: ${text}`);
}

async function refresh() {
  resync.abort();
  resync = new AbortController();
  const { signal } = resync;
  held = [];
  status('catching-up');
  try {
    const snapshot = await newest(url, signal);
    // A later reset has its own snapshot on the way, and its own messages held.
    if (signal.aborted) return;
    const arrived = held;
    held = null;
    backlog.clear();
    timeline.reset(snapshot.messages);
    earlier.hidden = !snapshot.more;
    snapshot.messages.forEach(sender.settle);
    arrived.forEach(show);
    status(...standing);
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
function failed({ key, reason, refused }) {
  const item = timeline.failed(key);
  announce(`Not sent: ${sentence(reason)}`);
  if (!item) {
    // Somebody else's message with this key stands there.
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
  // What was refused would be refused again.
  const remedy = refused
    ? /** @type {const} */ (['Edit', () => composer.add(discard())])
    : /** @type {const} */ (['Retry', retry]);
  showFailure(item, reason, [[...remedy], ['Discard', discard]]);
}

restore();
// Before this page keeps anything, and with it forgets what the pages between kept.
globalThis.addEventListener('pageshow', ({ persisted }) => { if (persisted) restore(); });

function restore() {
  // What is on the page has arrived, whatever another page knew of it.
  const arrived = new Set(timeline.keys());
  sender.restore(kept.kept().filter(({ key }) => !arrived.has(key)));
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
  onOutcome(wrong) {
    if (wrong) problems.show('earlier', 'Earlier messages could not be loaded. Try again.');
    else problems.clear('earlier');
  },
});
// Not there where the operator keeps the names of rooms a secret.
const rooms = document.getElementById('room-list');
const seen = rooms && listRooms({
  list: rooms,
  more: element('more-rooms'),
  room,
  user,
  newest: () => timeline.newestDate,
});
shareLink(element('share'), element('share-label'), new URL(`/${roomPath}`, location.href).href, announce);
