/**
 * Groups messages: consecutive messages of one author share a head, and each day starts with its name. The server does
 * the same for the history that it renders, in UTC (src/web/pages/view.rs).
 *
 * It observes the list, because an inserted or removed message also changes the one after it.
 */

import { clockTime, dayName, dayOf, fullTime, relativeTime } from './dates.js';
import { authorOf, child, setText } from './render.js';

/** A message within this time of the author's previous one needs no head of its own. */
const GROUP_GAP_MS = 5 * 60_000;

/** A group is not longer than this: no message is further from the time in its head. */
const GROUP_MS = 15 * 60_000;

/** A relative time is never wrong by more than this. */
const REFRESH_MS = 30_000;

/** The label of a message that was older than this at the last refresh does not change any more. */
const SETTLED_MS = 2 * 60 * 60_000;

/** @param {HTMLElement} list */
export function group(list) {
  const items = () => /** @type {Iterable<HTMLElement>} */ (list.children);
  let last = new Date();
  for (const item of items()) update(item);
  new MutationObserver(regroup).observe(list, { childList: true });
  // A message that is stored while it is on the page gets the server's date.
  new MutationObserver(regroup).observe(list, { subtree: true, attributeFilter: ['datetime'] });

  /** @param {MutationRecord[]} changes */
  function regroup(changes) {
    /** @type {Set<Node | null>} */
    const affected = new Set();
    for (const { addedNodes, target } of changes) {
      for (const node of [...addedNodes, /** @type {Element} */ (target).closest('li')]) affected.add(node);
    }
    // The server's elements have line breaks between them.
    for (const { nextSibling: next } of changes) affected.add(next instanceof Text ? next.nextElementSibling : next);
    for (const node of affected) {
      if (node?.parentNode !== list) continue;
      const item = /** @type {HTMLElement} */ (node);
      const wasLead = item.classList.contains('lead');
      // The messages after it may belong to another head now.
      if (!update(item) || !wasLead) affected.add(item.nextElementSibling);
    }
  }

  setInterval(() => {
    // May be longer ago than the interval: laptops sleep.
    const before = last;
    last = new Date();
    const isNextDay = dayOf(before) !== dayOf(last);
    for (let item = list.lastElementChild; item; item = item.previousElementSibling) {
      const old = before.getTime() - dateOf(/** @type {HTMLElement} */ (item)).getTime() > SETTLED_MS;
      // A failed message is last in the list, however old it is.
      if (old && !isNextDay && /** @type {HTMLElement} */ (item).dataset.id) break;
      update(/** @type {HTMLElement} */ (item));
    }
  }, REFRESH_MS);
}

/**
 * @param {HTMLElement} item
 * @returns {boolean} whether the message has a head
 */
function update(item) {
  const before = /** @type {HTMLElement | null} */ (item.previousElementSibling);
  const date = dateOf(item);
  const now = new Date();
  const earlier = before && dateOf(before);
  const isNewDay = !earlier || dayOf(earlier) !== dayOf(date);
  const since = (/** @type {Date} */ start) => date.getTime() - start.getTime();
  const leads = isNewDay || authorOf(before) !== authorOf(item) || since(earlier) > GROUP_GAP_MS
    || since(dateOf(headOf(before))) > GROUP_MS;
  item.classList.toggle('lead', leads);

  const label = /** @type {HTMLElement | null} */ (item.querySelector('.day'));
  if (!isNewDay) label?.remove();
  else setText(label ?? newLabel(item), dayName(date, now));

  const time = child(item, 'time');
  // Next to a message without a head there is no space for more.
  setText(time, leads ? relativeTime(date, now) : clockTime(date));
  const title = fullTime(date);
  if (time.title !== title) time.title = title;
  return leads;
}

/** @param {HTMLElement} item */
function headOf(item) {
  let head = /** @type {Element} */ (item);
  while (!head.classList.contains('lead') && head.previousElementSibling) head = head.previousElementSibling;
  return /** @type {HTMLElement} */ (head);
}

/** @param {HTMLElement} item */
function newLabel(item) {
  const label = document.createElement('p');
  label.className = 'day';
  item.prepend(label);
  return label;
}

/** @param {HTMLElement} item */
function dateOf(item) {
  return new Date(child(item, 'time').getAttribute('datetime') ?? '');
}
