/** The shape of each answer, to be held against what a kernel really sends. Pure. */

import type { Requests } from './tokens.js';

/** What a value must be: a kind of scalar, `null` too, a list, or an object with at least these. */
type Shape =
  | 'string'
  | 'number'
  | 'boolean'
  | { nullable: Shape }
  | { optional: Shape }
  | { list: Shape }
  | { values: Shape }
  | { fields: Record<string, Shape> };

const nullable = (shape: Shape): Shape => ({ nullable: shape });
const optional = (shape: Shape): Shape => ({ optional: shape });
const list = (shape: Shape): Shape => ({ list: shape });
const fields = (shapes: Record<string, Shape>): Shape => ({ fields: shapes });

const CHANGE = fields({
  name: 'string',
  kind: 'string',
  installed: nullable('string'),
  wanted: nullable('string'),
  reason: 'string',
  note: nullable('string'),
  loaded: nullable('string'),
  line: nullable('string')
});
const SENTENCE = { severity: 'string', text: 'string', hint: nullable('string') } as const;
const GPU = fields({
  name: 'string',
  memory_total: nullable('number'),
  memory_used: nullable('number'),
  capability: nullable('string')
});
const STACK = { torch: nullable('string'), cuda: nullable('string') } as const;
const ACCELERATOR = fields({
  driver: nullable('string'),
  driver_cuda: nullable('string'),
  gpus: list(GPU),
  verdict: 'string',
  reasons: list(fields(SENTENCE)),
  installed: optional(fields(STACK)),
  wanted: optional(fields({ ...STACK, from: nullable('string') }))
});
const REPORT = fields({
  id: 'string',
  lock: fields({ path: 'string', pins: 'number' }),
  parity: 'boolean',
  prepared: 'boolean',
  counts: { values: 'number' },
  changes: list(CHANGE),
  findings: list(fields({ ...SENTENCE, kind: 'string' })),
  accelerator: nullable(ACCELERATOR),
  restart: fields({ reasons: list('string') })
});
const FAULT = fields({
  kind: 'string',
  message: 'string',
  hint: nullable('string'),
  faults: list(fields({ where: 'string', text: 'string', hint: 'string' }))
});
const WORK = fields({
  id: 'string',
  what: 'string',
  title: 'string',
  state: 'string',
  cancelling: 'boolean',
  cancelled: 'boolean',
  progress: fields({ phase: 'string', done: 'number', total: 'number', detail: 'string' }),
  report: nullable('string'),
  outcome: nullable(
    fields({
      state: 'string',
      done: nullable({ values: 'number' }),
      lines: list('string'),
      restart: list('string')
    })
  ),
  error: nullable(FAULT)
});
const WATCHED = fields({ work: nullable(WORK), log: 'string', log_end: 'number' });
const SHOWN = fields({ report: REPORT, rest: 'number' });
const LOOK = fields({
  place: fields({
    python: 'string',
    prefix: 'string',
    executable: 'string',
    folder: 'string'
  }),
  locks: list('string'),
  lock: 'string',
  files: { values: 'string' },
  report: nullable(REPORT),
  rest: 'number',
  error: nullable(FAULT),
  stamp: 'string',
  work: nullable(WORK),
  undo: nullable(fields({ title: 'string', steps: 'string' })),
  news: list('string')
});

export const SHAPES: Readonly<Record<keyof Requests, Shape>> = {
  look: LOOK,
  rows: fields({ rows: list(CHANGE), rest: 'number' }),
  report: SHOWN,
  look_back: SHOWN,
  gpus: fields({ accelerator: nullable(ACCELERATOR) }),
  explain: fields({ requirers: list('string'), rest: 'number' }),
  stamp: fields({ stamp: 'string', work: nullable(WORK) }),
  start: WATCHED,
  work: WATCHED,
  agree: WATCHED,
  cancel: WATCHED,
  dismiss: fields({}),
  freeze: fields({ wrote: 'string', summary: 'string' })
};

/** Returns where a value is not of a shape, such as `report.changes.3.name`; empty: it is. */
export function findMismatch(value: unknown, shape: Shape, path = ''): string {
  if (typeof shape === 'string') {
    return typeof value === shape ? '' : path || 'the reply';
  }
  if ('nullable' in shape) {
    return value === null ? '' : findMismatch(value, shape.nullable, path);
  }
  if ('optional' in shape) {
    return value === undefined ? '' : findMismatch(value, shape.optional, path);
  }
  if (typeof value !== 'object' || value === null || Array.isArray(value) !== ('list' in shape)) {
    return path || 'the reply';
  }
  const inner =
    'fields' in shape
      ? Object.entries(shape.fields)
      : Object.keys(value).map((key): [string, Shape] => [
          key,
          'list' in shape ? shape.list : shape.values
        ]);
  for (const [key, wanted] of inner) {
    const found = findMismatch(
      (value as Record<string, unknown>)[key],
      wanted,
      path ? `${path}.${key}` : key
    );
    if (found) {
      return found;
    }
  }
  return '';
}
