// The list of rooms beside a room.

import { expect } from './expect.mjs';

/** Until the server lists them. It need not at once. */
export const listed = (base, ...rooms) => expect.eventually(`${rooms} are listed`, async () => {
  const answer = await fetch(`${base}/rooms/`, { headers: { Accept: 'application/json' } });
  const names = (await answer.json()).rooms.map(({ room }) => room);
  return rooms.every((room) => names.includes(room));
}, 10_000);

/** Where there is no space for it, it is behind a button. */
export async function openList(page) {
  if (!(await page.locator('#rooms').isVisible())) await page.getByRole('button', { name: 'Rooms', exact: true }).click();
}

/** By the list. */
export async function follow(page, room) {
  await openList(page);
  await page.locator('#room-list').getByRole('link', { name: room }).click();
  await page.waitForURL((url) => url.pathname === `/${room}`);
}
