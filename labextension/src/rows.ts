/** Which rows of a report are shown, and in which order. Pure. */

import { Change, Kind } from './wire.js';

export type Column = 'kind' | 'name' | 'installed' | 'wanted';

export interface Order {
  column: Column;
  descending: boolean;
}

/** What a reader has asked for. */
export interface Query {
  /** A part of a name, a version or a reason, in lower case. */
  text: string;
  /** The kinds to show; none: all that a reader should see first. */
  kinds: ReadonlySet<Kind>;
  order: Order;
}

/** The kinds in the order of a table: what is taken away first, what stays last. */
export const KINDS: readonly Kind[] = [
  'held',
  'remove',
  'downgrade',
  'upgrade',
  'reinstall',
  'install',
  'keep',
  'equal'
];

export const SYMBOLS: Readonly<Record<Kind, string>> = {
  install: '+',
  upgrade: '↑',
  downgrade: '↓',
  reinstall: '↻',
  remove: '−',
  keep: '·',
  held: '!',
  equal: '='
};

/** Whether a change does something to the environment. */
export function acts(change: Change): boolean {
  return change.kind !== 'keep' && change.kind !== 'held' && change.kind !== 'equal';
}

/** Returns the rows that a query asks for. */
export function selectRows(changes: readonly Change[], query: Query): Change[] {
  const text = query.text.trim().toLowerCase();
  const rows = changes.filter(
    change => isAsked(change, query.kinds, text) && (!text || matches(change, text))
  );
  const { column, descending } = query.order;
  const compare = COMPARE[column];
  rows.sort((a, b) => compare(a, b) || byName(a, b));
  return descending ? rows.reverse() : rows;
}

/** What stays as it is, is shown where it is asked for: by its kind, or by a search. */
function isAsked(change: Change, kinds: ReadonlySet<Kind>, text: string): boolean {
  if (kinds.size) {
    return kinds.has(change.kind);
  }
  return text !== '' || acts(change) || change.kind === 'held' || change.note !== null;
}

function matches(change: Change, text: string): boolean {
  return (
    change.name.includes(text) ||
    (change.installed ?? '').includes(text) ||
    (change.wanted ?? '').includes(text) ||
    change.reason.toLowerCase().includes(text)
  );
}

type Compare = (a: Change, b: Change) => number;

const byName: Compare = (a, b) => (a.name < b.name ? -1 : a.name > b.name ? 1 : 0);

const COMPARE: Record<Column, Compare> = {
  name: byName,
  kind: (a, b) => KINDS.indexOf(a.kind) - KINDS.indexOf(b.kind),
  installed: (a, b) => compareVersions(a.installed, b.installed),
  wanted: (a, b) => compareVersions(a.wanted, b.wanted)
};

/** Orders versions as PEP 440 does, as far as a reader sees: 1.9rc1, 1.9, 1.9.post1, 1.10. */
export function compareVersions(a: string | null, b: string | null): number {
  const left = (a ?? '').match(PARTS) ?? [];
  const right = (b ?? '').match(PARTS) ?? [];
  for (let i = 0; i < Math.max(left.length, right.length); i++) {
    const difference = weigh(left[i]) - weigh(right[i]);
    if (difference) {
      return difference;
    }
  }
  return 0;
}

const PARTS = /\d+|[a-z]+/gi;
/** Before the end of a version: `1.9rc1` comes before `1.9`. */
const BEFORE = ['dev', 'a', 'alpha', 'b', 'beta', 'c', 'pre', 'rc'];

function weigh(part: string | undefined): number {
  if (part === undefined) {
    return -1;
  }
  const early = BEFORE.indexOf(part.toLowerCase());
  if (early >= 0) {
    return early - 20;
  }
  return /^\d/.test(part) ? Number(part) : -0.5;
}
