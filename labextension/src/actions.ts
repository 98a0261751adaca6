/** What a user can do, as the views call it; imports types alone. */

import type { Requirers } from './wire.js';

export interface Actions {
  retry: () => void;
  refresh: () => void;
  chooseLock: (path: string) => void;
  nameLock: () => void;
  preview: () => void;
  apply: () => void;
  cancel: () => void;
  agree: () => void;
  /** Takes note of how something has ended: what was at work, or these of the news. */
  dismiss: (news?: readonly string[]) => void;
  hush: () => void;
  undo: () => void;
  freeze: () => void;
  restart: () => void;
  selectKernel: () => void;
  install: () => void;
  explain: (name: string) => Promise<Requirers | null>;
  /** Opens a file at a line, given as `file:line`. */
  openLine: (where: string) => void;
}
