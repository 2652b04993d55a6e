/** Dates and times in the reader's language and time zone. The server writes UTC, because it knows neither. */

const MINUTE = 60_000;
const HOUR = 60 * MINUTE;

const time = new Intl.DateTimeFormat(undefined, { timeStyle: 'short' });
const full = new Intl.DateTimeFormat(undefined, { dateStyle: 'full', timeStyle: 'medium' });
const dayOfYear = new Intl.DateTimeFormat(undefined, { weekday: 'long', day: 'numeric', month: 'long' });
const fullDay = new Intl.DateTimeFormat(undefined, { dateStyle: 'full' });
const shortDay = new Intl.DateTimeFormat(undefined, { day: 'numeric', month: 'short' });
const ago = new Intl.RelativeTimeFormat(undefined, { numeric: 'auto', style: 'short' });

/**
 * The day in the reader's time zone, as a value that can be compared.
 *
 * @param {Date} date
 */
export const dayOf = (date) => date.toDateString();

/**
 * @param {Date} date
 * @param {Date} now
 */
export function dayName(date, now) {
  for (const days of [0, -1]) {
    const day = new Date(now.getFullYear(), now.getMonth(), now.getDate() + days);
    if (dayOf(day) === dayOf(date)) return capitalized(ago.format(days, 'day'));
  }
  return (date.getFullYear() === now.getFullYear() ? dayOfYear : fullDay).format(date);
}

/** @param {Date} date */
export const fullTime = (date) => full.format(date);

/**
 * The time of day without "AM" and the like: space is scarce, and the message above shows it.
 *
 * @param {Date} date
 */
export const clockTime = (date) => time.format(date).replace(/^\P{N}+|\P{N}+$/gu, '');

/**
 * How long ago, for an hour; then the time of day. The day is shown above the message.
 *
 * @param {Date} date
 * @param {Date} now
 * @param {number} [threshold] what is younger counts as now: the server's clock may be ahead of this one
 */
export function relativeTime(date, now, threshold = MINUTE) {
  const age = now.getTime() - date.getTime();
  if (age < threshold) return ago.format(0, 'second');
  if (age < HOUR) return ago.format(-Math.floor(age / MINUTE), 'minute');
  return time.format(date);
}

/**
 * The same for a narrow column without a day next to it.
 *
 * @param {Date} date
 * @param {Date} now
 */
export const compactTime = (date, now) => (
  dayOf(date) === dayOf(now) || now.getTime() - date.getTime() < HOUR
    ? relativeTime(date, now, 2 * MINUTE) : shortDay.format(date)
);

/** @param {string} text */
const capitalized = (text) => text.charAt(0).toLocaleUpperCase() + text.slice(1);
