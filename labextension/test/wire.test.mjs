import assert from 'node:assert/strict';
import { readFileSync } from 'node:fs';
import { test } from 'node:test';

import { readAnswer } from '../lib/answer.js';
import { KINDS, selectRows } from '../lib/rows.js';
import { badgeOf, faceOf } from '../lib/state.js';

const example = name =>
  JSON.parse(readFileSync(new URL(`../../tests/wire/${name}.v1.json`, import.meta.url), 'utf8'));
const sent = reply => ({ status: 'ok', data: { 'application/json': reply } });
const ready = (look, work) => ({ face: 'ready', look, report: look.report, work });
const look = example('report');

test('a comparison is understood as the kernel sends it', () => {
  const answer = readAnswer('look', sent(look));
  assert.equal(answer.kind, 'ok');
  assert.equal(faceOf(ready(answer.data, null)), 'differs');
  assert.equal(badgeOf(ready(answer.data, null)).kind, 'differs');
});

test('every kind of change that the kernel tells has its row', () => {
  const { changes } = look.report;
  assert.deepEqual([...new Set(changes.map(change => change.kind))].sort(), [...KINDS].sort());
  const query = { text: '', kinds: new Set(KINDS), order: { column: 'kind', descending: false } };
  assert.equal(selectRows(changes, query).length, changes.length);
});

for (const [name, reply] of Object.entries(example('work'))) {
  test(`work that is ${name} is understood as the kernel sends it`, () => {
    const whole = { schema: look.schema, envmagic: look.envmagic, ...reply };
    const answer = readAnswer('work', sent(whole));
    assert.equal(answer.kind, 'ok', answer.message);
    assert.ok(faceOf(ready(look, answer.data.work)));
  });
}

test('an error is a refusal, with each fault at its place', () => {
  const answer = readAnswer('look', sent(example('fault')));
  assert.equal(answer.kind, 'refused');
  assert.match(answer.error.faults[0].where, /:\d+$/);
});
