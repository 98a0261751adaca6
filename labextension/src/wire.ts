/** The wire form of `schema: 1`, as `envmagic.face.wire` and `replies` write it. Pure. */

import {
  BOOLEAN,
  fields,
  list,
  nullable,
  NUMBER,
  Of,
  oneOf,
  Shape,
  STRING,
  values
} from './shape.js';

export const SCHEMA = 1;

/** What stands for a version in memory that nothing tells. */
export const UNKNOWN = 'unknown';

const KIND = oneOf(
  'install',
  'upgrade',
  'downgrade',
  'reinstall',
  'remove',
  'keep',
  'held',
  'equal'
);
const COUNTS = fields({
  install: NUMBER,
  upgrade: NUMBER,
  downgrade: NUMBER,
  reinstall: NUMBER,
  remove: NUMBER,
  keep: NUMBER,
  held: NUMBER,
  equal: NUMBER
});
const SEVERITY = oneOf('error', 'warning', 'note');
const SENTENCE = { severity: SEVERITY, text: STRING, hint: nullable(STRING) };

const CHANGE = fields({
  name: STRING,
  kind: KIND,
  installed: nullable(STRING),
  wanted: nullable(STRING),
  reason: STRING,
  note: nullable(STRING),
  /** The version in the kernel's memory, where the project is loaded; it may be UNKNOWN. */
  loaded: nullable(STRING),
  /** `file:line` of the lock. */
  line: nullable(STRING)
});
const FINDING = fields({ ...SENTENCE, kind: STRING });

const GPU = fields({
  name: STRING,
  /** In bytes. */
  memory_total: nullable(NUMBER),
  /** In bytes. */
  memory_used: nullable(NUMBER),
  capability: nullable(STRING),
  mig: nullable(BOOLEAN)
});
const STACK = {
  torch: nullable(STRING),
  cuda: nullable(STRING),
  cudnn: nullable(STRING),
  nccl: nullable(STRING)
};
const ACCELERATOR = fields(
  {
    driver: nullable(STRING),
    driver_cuda: nullable(STRING),
    gpus: list(GPU),
    absent: BOOLEAN,
    verdict: oneOf('ok', 'warn', 'fail', 'unknown'),
    reasons: list(fields(SENTENCE))
  },
  {
    installed: fields(STACK),
    wanted: fields({ ...STACK, from: nullable(STRING) }),
    /** Whether each GPU can run what the lock's torch is compiled for; null: not known. */
    covered: list(nullable(BOOLEAN))
  }
);

const REPORT = fields({
  id: STRING,
  lock: fields({ path: STRING, pins: NUMBER }),
  parity: BOOLEAN,
  /** Whether all requirements of what would be installed are known. */
  prepared: BOOLEAN,
  counts: COUNTS,
  changes: list(CHANGE),
  findings: list(FINDING),
  /** null: the driver has not answered yet. */
  accelerator: nullable(ACCELERATOR),
  restart: fields({ reasons: list(STRING) })
});
/** `rest`: how many rows are still to be asked for. */
const SHOWN = fields({ report: REPORT, rest: NUMBER });

const FAULT = fields({
  kind: STRING,
  message: STRING,
  hint: nullable(STRING),
  /** Of a lock file: each thing that is wrong with it, at `file:line`. */
  faults: list(fields({ where: STRING, text: STRING, hint: STRING }))
});

const PROGRESS = fields({
  phase: STRING,
  done: NUMBER,
  /** 0: not known. */
  total: NUMBER,
  detail: STRING
});
const OUTCOME = fields({
  state: oneOf('unchanged', 'succeeded', 'held', 'rolled_back', 'failed'),
  /** How much was changed; null: nothing. */
  done: nullable(COUNTS),
  /** What there is to say beside it, a sentence each. */
  lines: list(STRING),
  /** Why the kernel should be restarted, a sentence each. */
  restart: list(STRING)
});
const WORK = fields({
  id: STRING,
  what: oneOf('preview', 'sync', 'undo', 'elsewhere'),
  title: STRING,
  state: oneOf('working', 'asking', 'ended'),
  cancelling: BOOLEAN,
  cancelled: BOOLEAN,
  progress: PROGRESS,
  /** The id of the report that it asks about, or that it has made. */
  report: nullable(STRING),
  outcome: nullable(OUTCOME),
  error: nullable(FAULT)
});
const WATCHED = fields({
  work: nullable(WORK),
  /** What the tools have said since the byte that was asked for. */
  log: STRING,
  log_end: NUMBER
});

const PLACE = fields({
  python: STRING,
  prefix: STRING,
  executable: STRING,
  /** The folder that a lock's path is relative to. */
  folder: STRING
});
const LOOK = fields({
  place: PLACE,
  /** The lock files of the folder. */
  locks: list(STRING),
  /** The one that was compared; empty: none, see `error`. */
  lock: STRING,
  /** The files that it was read from: as its lines name them, and as seen from the notebook. */
  files: values(STRING),
  report: nullable(REPORT),
  /** How many rows of the report are still to be asked for. */
  rest: NUMBER,
  error: nullable(FAULT),
  stamp: STRING,
  work: nullable(WORK),
  undo: nullable(fields({ title: STRING, steps: STRING })),
  /** How changes have ended that nobody was watching. */
  news: list(fields({ id: STRING, text: STRING }))
});
const REQUIRERS = fields({
  /** What requires a project, a sentence each. */
  requirers: list(STRING),
  /** How many more there are. */
  rest: NUMBER
});

/** The requests that the kernel answers, with the form of the answer. */
export const REPLIES = {
  look: LOOK,
  rows: fields({ rows: list(CHANGE), rest: NUMBER }),
  report: SHOWN,
  look_back: SHOWN,
  gpus: fields({ accelerator: nullable(ACCELERATOR) }),
  explain: REQUIRERS,
  stamp: fields({ stamp: STRING, work: nullable(WORK) }),
  start: WATCHED,
  work: WATCHED,
  agree: WATCHED,
  cancel: WATCHED,
  dismiss: fields({}),
  freeze: fields({ wrote: STRING, summary: STRING })
} satisfies Record<string, Shape<unknown>>;

export type Requests = { [M in keyof typeof REPLIES]: Of<(typeof REPLIES)[M]> };

export type Kind = Of<typeof KIND>;
export type Counts = Of<typeof COUNTS>;
export type Severity = Of<typeof SEVERITY>;
/** What happens to one project. */
export interface Change extends Of<typeof CHANGE> {}
export interface Finding extends Of<typeof FINDING> {}
export interface Gpu extends Of<typeof GPU> {}
export interface Accelerator extends Of<typeof ACCELERATOR> {}
export interface Report extends Of<typeof REPORT> {}
/** What a user has caused: what is wrong, and what to do about it. */
export interface Fault extends Of<typeof FAULT> {}
export interface Progress extends Of<typeof PROGRESS> {}
/** Something long that a kernel does, or another process in its environment. */
export interface Work extends Of<typeof WORK> {}
export interface Watched extends Of<typeof WATCHED> {}
export interface Place extends Of<typeof PLACE> {}
export interface Look extends Of<typeof LOOK> {}
export interface Requirers extends Of<typeof REQUIRERS> {}
