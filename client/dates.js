/** Moments, in the reader's language and zone. The server writes UTC, since it knows neither. */

const MINUTE = 60_000;
const HOUR = 60 * MINUTE;

const clockTime = new Intl.DateTimeFormat(undefined, { timeStyle: 'short' });
const inFull = new Intl.DateTimeFormat(undefined, { dateStyle: 'full', timeStyle: 'medium' });
const dayOfYear = new Intl.DateTimeFormat(undefined, { weekday: 'long', day: 'numeric', month: 'long' });
const dayInFull = new Intl.DateTimeFormat(undefined, { dateStyle: 'full' });
const shortDay = new Intl.DateTimeFormat(undefined, { day: 'numeric', month: 'short' });
const ago = new Intl.RelativeTimeFormat(undefined, { numeric: 'auto', style: 'short' });

/**
 * The reader's day, as something that can be compared.
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
  return (date.getFullYear() === now.getFullYear() ? dayOfYear : dayInFull).format(date);
}

/** @param {Date} date */
export const exactly = (date) => inFull.format(date);

/**
 * In little space, and so without words for the half of the day, which is told above.
 *
 * @param {Date} date
 */
export const clock = (date) => clockTime.format(date).replace(/^\P{N}+|\P{N}+$/gu, '');

/**
 * How long ago, for an hour; then the time of the day, which is named above the message.
 *
 * @param {Date} date
 * @param {Date} now
 * @param {number} [least] what is younger is of now, and not of the future, where the server's clock is ahead of ours
 */
export function relative(date, now, least = MINUTE) {
  const age = now.getTime() - date.getTime();
  if (age < least) return ago.format(0, 'second');
  if (age < HOUR) return ago.format(-Math.floor(age / MINUTE), 'minute');
  return clockTime.format(date);
}

/**
 * The same in little space, and where no day is named beside it.
 *
 * @param {Date} date
 * @param {Date} now
 */
export const roughly = (date, now) => (
  dayOf(date) === dayOf(now) || now.getTime() - date.getTime() < HOUR
    ? relative(date, now, 2 * MINUTE) : shortDay.format(date)
);

/** @param {string} words */
const capitalized = (words) => words.charAt(0).toLocaleUpperCase() + words.slice(1);
