/** The join page: suggests the name used last. */

import { forGood } from './storage.js';

const box = /** @type {HTMLInputElement | null} */ (document.getElementById('user'));
if (box && box.value === '') {
  box.value = forGood.get('name') ?? '';
  box.select();
}
