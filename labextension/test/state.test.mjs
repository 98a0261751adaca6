import assert from 'node:assert/strict';
import { test } from 'node:test';

import { badgeOf, faceOf, questionOf, restartReasons, withFailure } from '../lib/state.js';

const counts = more => ({
  install: 0,
  upgrade: 0,
  downgrade: 0,
  reinstall: 0,
  remove: 0,
  keep: 3,
  held: 0,
  equal: 5,
  unlocked: 0,
  ...more
});
const report = (parity, more) => ({
  id: 'r',
  parity,
  counts: counts(more),
  findings: [],
  restart: { needed: false, reasons: [] }
});
const look = more => ({ lock: 'a.txt', locks: ['a.txt'], error: null, news: [], ...more });
const ready = more => ({ face: 'ready', look: look(), report: report(true), work: null, ...more });
const work = more => ({
  state: 'ended',
  cancelled: false,
  error: null,
  outcome: { state: 'succeeded', done: null, lines: [], restart: [] },
  ...more
});

test('a comparison is equal, or differs', () => {
  assert.equal(faceOf(ready()), 'equal');
  assert.equal(faceOf(ready({ report: report(false, { install: 1 }) })), 'differs');
});

test('without a report, the lock tells why', () => {
  const face = more => faceOf(ready({ report: null, look: look(more) }));
  assert.equal(face({ lock: '', locks: [] }), 'no-lock');
  assert.equal(face({ lock: '', locks: ['a', 'b'] }), 'several-locks');
  assert.equal(face({ error: { kind: 'LockError' } }), 'invalid-lock');
  assert.equal(face({ error: { kind: 'PolicyError' } }), 'refused');
});

test('what is at work comes before what was compared', () => {
  const face = more => faceOf(ready({ work: work(more) }));
  assert.equal(face({ state: 'working', outcome: null }), 'working');
  assert.equal(face({ state: 'asking', outcome: null }), 'asking');
  assert.equal(face({}), 'succeeded');
  assert.equal(face({ outcome: { state: 'rolled_back' } }), 'rolled-back');
  assert.equal(face({ outcome: { state: 'failed' } }), 'failed');
  assert.equal(face({ outcome: null, cancelled: true, error: {} }), 'cancelled');
  assert.equal(face({ outcome: null, error: {} }), 'stopped');
  assert.equal(face({ outcome: { state: 'unchanged' } }), 'equal');
});

test('the badge counts what differs, and is silent where nothing was compared', () => {
  const badge = more => badgeOf(ready(more));
  assert.deepEqual(badge(), { kind: 'equal', count: 0 });
  const differs = report(false, { install: 2, remove: 3, held: 1 });
  assert.deepEqual(badge({ report: differs }), { kind: 'differs', count: 6 });
  assert.equal(badge({ work: work({ state: 'working' }) }).kind, 'working');
  assert.equal(badge({ work: work({ outcome: { state: 'failed', restart: [] } }) }).kind, 'attention');
  const cancelled = work({ outcome: null, cancelled: true, error: {} });
  assert.deepEqual(badge({ report: differs, work: cancelled }), { kind: 'differs', count: 6 });
  assert.equal(badge({ report: null, look: look({ lock: '', locks: [] }) }).kind, 'none');
  assert.equal(badgeOf({ face: 'no-kernel' }).kind, 'none');
});

test('the badge tells of a restart, and is not alarmed by a preview or by what was stopped', () => {
  const badge = more => badgeOf(ready(more)).kind;
  const restart = { ...report(true), restart: { needed: true, reasons: ['scipy'] } };
  assert.equal(badge({ report: restart }), 'restart');
  const preview = work({ state: 'working', what: 'preview', outcome: null });
  assert.equal(badge({ report: report(false, { install: 1 }), work: preview }), 'differs');
  assert.equal(badge({ work: work({ outcome: null, error: {} }) }), 'equal');
});

test('a restart is asked for by what is there now, else by what has just changed', () => {
  assert.deepEqual(restartReasons(ready()), []);
  const after = work({ outcome: { state: 'succeeded', restart: ['numpy'] } });
  assert.deepEqual(restartReasons(ready({ work: after, report: null })), ['numpy']);
  assert.deepEqual(restartReasons(ready({ work: after })), []); // undone since, in a terminal
  const before = { ...report(true), restart: { needed: true, reasons: ['scipy'] } };
  assert.deepEqual(restartReasons(ready({ report: before })), ['scipy']);
});

test('what is asked about has to be shown before it can be agreed to', () => {
  const asking = report => ready({ work: work({ state: 'asking', report, outcome: null }) });
  assert.equal(questionOf(asking('another')), 'another');
  assert.equal(questionOf(asking('r')), null);
  assert.equal(questionOf(ready()), null);
});

test('a refusal stands beside a comparison, and alone where there is none', () => {
  const error = { kind: 'PolicyError', message: 'no', hint: 'yes', faults: [] };
  const refused = { kind: 'refused', error };
  const { face, notice, report: shown } = withFailure(ready(), refused);
  assert.deepEqual([face, notice, shown.id], ['ready', { text: 'no', hint: 'yes', error: true }, 'r']);
  assert.deepEqual(withFailure({ face: 'asking' }, refused), { face: 'refused', error });
});

test('what pip has said stays until it is asked again', () => {
  const failed = { face: 'missing', installing: false, problem: 'no wheel' };
  assert.equal(withFailure(failed, { kind: 'missing' }), failed);
  const missing = withFailure({ ...failed, installing: true }, { kind: 'missing' });
  assert.deepEqual(missing, { face: 'missing', installing: false, problem: '' });
  assert.equal(withFailure(failed, { kind: 'gone' }), failed);
});
