/** The join page: suggests the name used last. */

import { rememberedName } from './name.js';

const box = /** @type {HTMLInputElement | null} */ (document.getElementById('user'));
if (box && box.value === '') {
  box.value = rememberedName();
  box.select();
}
