// The list of rooms next to a room.

import { expect } from './expect.mjs';

/** Waits until the server lists rooms, which it need not do immediately. */
export const listed = (base, ...rooms) => expect.eventually(`${rooms} are listed`, async () => {
  const answer = await fetch(`${base}/rooms/`, { headers: { Accept: 'application/json' } });
  const names = (await answer.json()).rooms.map(({ room }) => room);
  return rooms.every((room) => names.includes(room));
});

/** Opens the list with its button on a narrow page. */
export async function openList(page) {
  if (!(await page.locator('#rooms').isVisible())) await page.getByRole('button', { name: 'Rooms', exact: true }).click();
}

/** Goes to a room by its link in the list. */
export async function follow(page, room) {
  await openList(page);
  await page.locator('#room-list').getByRole('link', { name: room }).click();
  await page.waitForURL((url) => url.pathname === `/${room}`);
}
