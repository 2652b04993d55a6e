/** The join page: suggests the name that was used last. */

import { persistent } from './storage.js';

const box = /** @type {HTMLInputElement | null} */ (document.getElementById('user'));
if (box && box.value === '') {
  box.value = persistent.get('name') ?? '';
  box.select();
}
