/** When there may be something new: and nobody is asked while nobody is there. */

import type { Contents } from '@jupyterlab/services';

import type { Model } from './model.js';

/** How often the environment is looked at, beside what is heard of it, in ms. */
const INTERVAL = 15_000;
/** How long after the last key or click somebody is still thought to be there, in ms. */
const PRESENCE = 5 * 60_000;

/** Has a model check at once where something is heard, and now and then where nothing is. */
export function watch(model: Model, contents: Contents.IManager, isOn: () => boolean): void {
  let seen = Date.now();
  const present = () => {
    seen = Date.now();
  };
  const check = () => {
    if (isOn()) {
      void model.check();
    }
  };
  for (const type of ['keydown', 'pointerdown', 'wheel'] as const) {
    window.addEventListener(type, present, { capture: true, passive: true });
  }
  model.ranCell.connect(check);
  contents.fileChanged.connect(check);
  window.addEventListener('focus', check);
  window.setInterval(() => {
    if (document.visibilityState === 'visible' && Date.now() - seen < PRESENCE) {
      check();
    }
  }, INTERVAL);
}
