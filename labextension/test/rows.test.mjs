import assert from 'node:assert/strict';
import { test } from 'node:test';

import { compareVersions, selectRows } from '../lib/rows.js';

const change = (name, kind, more = {}) => ({
  name,
  kind,
  installed: null,
  wanted: null,
  reason: 'lock',
  note: null,
  loaded: null,
  line: null,
  ...more
});
const ROWS = [
  change('attrs', 'equal', { installed: '25.1' }),
  change('numpy', 'downgrade', { installed: '2.10.0', wanted: '2.9.0' }),
  change('pandas', 'install', { wanted: '2.2.2' }),
  change('pip', 'keep', { installed: '25.0', reason: 'protected' }),
  change('scipy', 'remove', { installed: '1.15', reason: 'not in the lock' }),
  change('torch', 'equal', { installed: '2.4.0+cpu', note: 'same release, other build' })
];
const query = more => ({
  text: '',
  kinds: new Set(),
  order: { column: 'name', descending: false },
  ...more
});
const names = more => selectRows(ROWS, query(more)).map(row => row.name);

test('what stays as it is, is not shown unless it has a note', () => {
  assert.deepEqual(names(), ['numpy', 'pandas', 'scipy', 'torch']);
});

test('a search finds what stays, too, by name, version and reason', () => {
  assert.deepEqual(names({ text: ' ATT ' }), ['attrs']);
  assert.deepEqual(names({ text: '25' }), ['attrs', 'pip']);
  assert.deepEqual(names({ text: 'not in' }), ['scipy']);
});

test('a chosen kind shows that alone, and a search looks in it', () => {
  assert.deepEqual(names({ kinds: new Set(['equal']) }), ['attrs', 'torch']);
  assert.deepEqual(names({ kinds: new Set(['equal', 'keep']), text: 'p' }), ['pip', 'torch']);
});

test('rows are sorted by every column, both ways, and then by name', () => {
  const by = (column, descending = false) => names({ order: { column, descending } });
  assert.deepEqual(by('name', true), ['torch', 'scipy', 'pandas', 'numpy']);
  assert.deepEqual(by('kind'), ['scipy', 'numpy', 'pandas', 'torch']);
  assert.deepEqual(by('installed'), ['pandas', 'scipy', 'torch', 'numpy']);
  assert.deepEqual(by('wanted'), ['scipy', 'torch', 'pandas', 'numpy']);
});

test('versions are compared as numbers, not as texts', () => {
  const sorted = ['1.9.dev1', '1.9a1', '1.9rc1', '1.9', '1.9+cpu', '1.9.1', '1.10', '2'];
  const versions = [...sorted].reverse();
  versions.sort(compareVersions);
  assert.deepEqual(versions, sorted);
  assert.ok(compareVersions(null, '0') < 0);
});

test('the rows that were given are left as they were', () => {
  const before = [...ROWS];
  selectRows(ROWS, query({ order: { column: 'name', descending: true } }));
  assert.deepEqual(ROWS, before);
});
