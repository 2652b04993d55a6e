/**
 * How messages stand to those before them: what somebody says in a row stands together, and a day begins with its name.
 * The server does the same for the history it renders, in UTC (src/web/pages/view.rs).
 *
 * It watches the list, whoever changes it: what comes between two messages, or goes, concerns the one behind as well.
 */

import { clock, dayName, dayOf, exactly, relative } from './dates.js';
import { authorOf, part, write } from './render.js';

/** What somebody says within this time of their last message needs no head of its own. */
const TOGETHER_MS = 5 * 60_000;

/** After so long since the last head there is another: no moment is further from its message. */
const RUN_MS = 15 * 60_000;

/** A relative time is never wrong by more than this. */
const REFRESH_MS = 30_000;

/** What was older than this when it was last looked at does not change any more. */
const SETTLED_MS = 2 * 60 * 60_000;

/** @param {HTMLElement} list */
export function group(list) {
  const items = () => /** @type {Iterable<HTMLElement>} */ (list.children);
  let last = new Date();
  for (const item of items()) place(item);
  new MutationObserver(regroup).observe(list, { childList: true });
  // A message that gets its number where it stands gets the server's date.
  new MutationObserver(regroup).observe(list, { subtree: true, attributeFilter: ['datetime'] });

  /** @param {MutationRecord[]} changes */
  function regroup(changes) {
    /** @type {Set<Node | null>} */
    const concerned = new Set();
    for (const { addedNodes, target } of changes) {
      for (const node of [...addedNodes, /** @type {Element} */ (target).closest('li')]) concerned.add(node);
    }
    // Between elements of the server there are line ends.
    for (const { nextSibling: next } of changes) concerned.add(next instanceof Text ? next.nextElementSibling : next);
    for (const node of concerned) {
      if (node?.parentNode !== list) continue;
      const item = /** @type {HTMLElement} */ (node);
      const led = item.classList.contains('lead');
      // The head that those behind it go by may be another now.
      if (!place(item) || !led) concerned.add(item.nextElementSibling);
    }
  }

  setInterval(() => {
    // Not always so long ago: laptops sleep.
    const before = last;
    last = new Date();
    const midnight = dayOf(before) !== dayOf(last);
    for (let item = list.lastElementChild; item; item = item.previousElementSibling) {
      const old = before.getTime() - dateOf(/** @type {HTMLElement} */ (item)).getTime() > SETTLED_MS;
      // One that could not be sent stands last, however old it is.
      if (old && !midnight && /** @type {HTMLElement} */ (item).dataset.id) break;
      place(/** @type {HTMLElement} */ (item));
    }
  }, REFRESH_MS);
}

/**
 * @param {HTMLElement} item
 * @returns {boolean} whether it has a head
 */
function place(item) {
  const before = /** @type {HTMLElement | null} */ (item.previousElementSibling);
  const date = dateOf(item);
  const now = new Date();
  const earlier = before && dateOf(before);
  const newDay = !earlier || dayOf(earlier) !== dayOf(date);
  const since = (/** @type {Date} */ moment) => date.getTime() - moment.getTime();
  const leads = newDay || authorOf(before) !== authorOf(item) || since(earlier) > TOGETHER_MS
    || since(dateOf(headOf(before))) > RUN_MS;
  item.classList.toggle('lead', leads);

  const label = /** @type {HTMLElement | null} */ (item.querySelector('.day'));
  if (!newDay) label?.remove();
  else write(label ?? newLabel(item), dayName(date, now));

  const time = part(item, 'time');
  // Beside a message that has no head there is no space for more.
  write(time, leads ? relative(date, now) : clock(date));
  const exact = exactly(date);
  if (time.title !== exact) time.title = exact;
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
  return new Date(part(item, 'time').getAttribute('datetime') ?? '');
}
