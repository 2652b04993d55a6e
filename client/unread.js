/** How much has come that the reader cannot have seen: in the title for who looks elsewhere, in a button for who reads further up. */

/**
 * @param {HTMLElement} jump the button
 * @param {HTMLElement} log gets the focus of a button that goes
 * @param {() => boolean} atEnd
 */
export function unreadCount(jump, log, atEnd) {
  const { title } = document;
  let unseen = 0;
  let below = 0;
  document.addEventListener('visibilitychange', show);
  return {
    /** A message of somebody else. */
    came() {
      if (document.hidden) unseen += 1;
      if (document.hidden || !atEnd()) below += 1;
      show();
    },
    moved: show,
  };

  function show() {
    if (!document.hidden) {
      unseen = 0;
      if (atEnd()) below = 0;
    }
    const words = unseen > 0 ? `(${unseen}) ${title}` : title;
    if (document.title !== words) document.title = words;
    if (atEnd() && document.activeElement === jump) log.focus();
    jump.hidden = atEnd();
    jump.classList.toggle('news', below > 0);
    const label = below > 0 ? `${below} new message${below === 1 ? '' : 's'}` : 'Newest messages';
    if (jump.textContent !== label) jump.textContent = label;
  }
}
