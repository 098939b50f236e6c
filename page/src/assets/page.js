// Keys for a reviewer, and a box that hides the framing. Everything works without this file, by buttons and links.
'use strict';

document.addEventListener('keydown', (event) => {
  if (event.ctrlKey || event.metaKey || event.altKey || event.repeat) return;
  const target = event.target;
  const isText = target instanceof HTMLInputElement && target.type !== 'checkbox'
    || target instanceof HTMLSelectElement || target instanceof HTMLTextAreaElement;
  if (isText) {
    if (event.key === 'Escape') target.blur();
    // A note goes with the word: Enter leaves the field, and the next key says the word.
    if (event.key === 'Enter' && target.dataset.key === 'n') {
      event.preventDefault();
      target.blur();
    }
    return;
  }
  const found = document.querySelector(`[data-key="${CSS.escape(event.key)}"]`);
  if (!found) return;
  event.preventDefault();
  if (found instanceof HTMLInputElement) found.focus();
  else found.click();
});

// One word for one image: a second press before the answer has come says nothing.
for (const form of document.querySelectorAll('form[method="post"]')) {
  form.addEventListener('submit', (event) => {
    if (form.dataset.sent) event.preventDefault();
    form.dataset.sent = 'yes';
  });
}
// The browser's way back may show a page as it was left.
addEventListener('pageshow', () => {
  for (const form of document.querySelectorAll('form[data-sent]')) delete form.dataset.sent;
});

const overlay = document.getElementById('overlay');
if (overlay) {
  const drawing = document.querySelector('.overlay');
  const show = () => drawing.classList.toggle('off', !overlay.checked);
  overlay.addEventListener('change', show);
  show();
}
