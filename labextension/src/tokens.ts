/** The wire form of `schema: 1`, as `envmagic.face.wire` and `replies` write it; imports nothing. */

export const SCHEMA = 1;

export type Kind =
  'install' | 'upgrade' | 'downgrade' | 'reinstall' | 'remove' | 'keep' | 'held' | 'equal';
export type Severity = 'error' | 'warning' | 'note';

/** What happens to one project. */
export interface Change {
  name: string;
  kind: Kind;
  installed: string | null;
  wanted: string | null;
  reason: string;
  note: string | null;
  /** The version in the kernel's memory, where the project is loaded. */
  loaded: string | null;
  /** `file:line` of the lock. */
  line: string | null;
}

export interface Finding {
  kind: string;
  name: string | null;
  text: string;
  hint: string | null;
  severity: Severity;
  when: 'now' | 'after';
}

export interface Gpu {
  name: string;
  vendor: string;
  /** In bytes. */
  memory_total: number | null;
  /** In bytes. */
  memory_used: number | null;
  capability: string | null;
  mig: boolean | null;
}

export interface Stack {
  torch: string | null;
  cuda: string | null;
  cudnn: string | null;
  nccl: string | null;
}

export interface Accelerator {
  driver: string | null;
  driver_cuda: string | null;
  gpus: Gpu[];
  problem: string | null;
  absent: boolean;
  verdict: 'ok' | 'warn' | 'fail' | 'unknown';
  reasons: { severity: Severity; text: string; hint: string | null }[];
  installed?: Stack;
  wanted?: Stack & { from: string | null; architectures: string[] };
  /** Whether each GPU can run what the lock's torch is compiled for; null: not known. */
  covered?: (boolean | null)[];
}

export interface Report {
  id: string;
  lock: { path: string; format: string; pins: number; digest: string };
  parity: boolean;
  /** Whether all requirements of what would be installed are known. */
  prepared: boolean;
  counts: Record<Kind | 'unlocked', number>;
  changes: Change[];
  findings: Finding[];
  /** null: the driver has not answered yet. */
  accelerator: Accelerator | null;
  restart: { needed: boolean; reasons: string[] };
}

/** What a user has caused: what is wrong, and what to do about it. */
export interface Fault {
  kind: string;
  message: string;
  hint: string | null;
  /** Of a lock file: each thing that is wrong with it, at `file:line`. */
  faults: { where: string; text: string; hint: string }[];
}

export interface Progress {
  phase: string;
  done: number;
  /** 0: not known. */
  total: number;
  detail: string;
}

export interface Outcome {
  state: 'unchanged' | 'succeeded' | 'held' | 'rolled_back' | 'failed';
  /** How much was changed; null: nothing. */
  done: Record<Kind, number> | null;
  /** What there is to say beside it, a sentence each. */
  lines: string[];
  log: string | null;
  /** Why the kernel should be restarted, a sentence each. */
  restart: string[];
}

/** Something long that a kernel does, or another process in its environment. */
export interface Work {
  id: string;
  what: 'preview' | 'sync' | 'undo' | 'elsewhere';
  title: string;
  state: 'working' | 'asking' | 'ended';
  cancelling: boolean;
  cancelled: boolean;
  progress: Progress;
  /** The id of the report that it asks about, or that it has made. */
  report: string | null;
  outcome: Outcome | null;
  error: Fault | null;
}

export interface Place {
  python: string;
  prefix: string;
  platform: string;
  executable: string;
  /** The folder that a lock's path is relative to. */
  folder: string;
}

export interface Look {
  place: Place;
  /** The lock files of the folder. */
  locks: string[];
  /** The one that was compared; empty: none, see `error`. */
  lock: string;
  /** The files that it was read from: as its lines name them, and as seen from the notebook. */
  files: Record<string, string>;
  report: Report | null;
  /** How many rows of the report are still to be asked for. */
  rest: number;
  error: Fault | null;
  stamp: string;
  work: Work | null;
  undo: { title: string; began: number; steps: string } | null;
  /** How changes have ended that nobody was watching, a sentence each. */
  news: string[];
}

/** The requests that the kernel answers, with the form of the answer. */
export interface Requests {
  look: Look;
  rows: { rows: Change[]; rest: number };
  report: { report: Report; rest: number };
  look_back: { report: Report; rest: number };
  gpus: { accelerator: Accelerator | null };
  explain: Requirers;
  stamp: { stamp: string; work: Work | null };
  start: Watched;
  work: Watched;
  agree: Watched;
  cancel: Watched;
  dismiss: object;
  freeze: { wrote: string; summary: string };
}

export interface Requirers {
  /** What requires a project, a sentence each. */
  requirers: string[];
  /** How many more there are. */
  rest: number;
}

export interface Watched {
  work: Work | null;
  /** What the tools have said since the byte that was asked for. */
  log: string;
  log_end: number;
}
