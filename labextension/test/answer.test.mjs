import assert from 'node:assert/strict';
import { test } from 'node:test';

import { expressionFor, maskSecrets, readAnswer } from '../lib/answer.js';

const reply = content => ({
  status: 'ok',
  data: { 'application/json': { schema: 1, envmagic: '0.1.0', ...content } }
});
const failed = (ename, evalue) => ({ status: 'error', ename, evalue });

test('a request is one expression of Python, whatever is in it', () => {
  const path = `a'b"c\\d\n\u2028é.txt`;
  const expression = expressionFor('look', { lock: path });
  const literal = /handle\((".*")\)$/s.exec(expression)[1];
  assert.equal(literal.includes('\n'), false);
  assert.equal(JSON.parse(JSON.parse(literal)).args.lock, path);
});

test('a reply of our schema is an answer', () => {
  assert.deepEqual(readAnswer('freeze', reply({ wrote: 'a.txt', summary: '' })).kind, 'ok');
});

test('an answer that tells of an error beside the rest is an answer', () => {
  const answer = readAnswer('dismiss', reply({ error: { kind: 'LockError' }, lock: 'a' }));
  assert.equal(answer.kind, 'ok');
});

test('an error alone is a refusal, with what to do about it', () => {
  const error = { kind: 'PolicyError', message: 'no', hint: 'yes', faults: [] };
  assert.deepEqual(readAnswer('look', reply({ error })), { kind: 'refused', error });
});

test('a kernel that does not know a request is older', () => {
  const error = { kind: 'OutdatedError', message: '`sing` ()', hint: null, faults: [] };
  const older = { kind: 'older', side: 'there', version: '0.1.0' };
  assert.deepEqual(readAnswer('look', reply({ error })), older);
});

test('of two schemas, the smaller one is the older side', () => {
  const there = readAnswer('look', reply({ schema: 0, envmagic: '0.0.1' }));
  assert.deepEqual(there, { kind: 'older', side: 'there', version: '0.0.1' });
  assert.equal(readAnswer('look', reply({ schema: 2, envmagic: '9.0' })).side, 'here');
});

test('a module that is not there tells whether envmagic is missing, or older', () => {
  const missing = failed('ModuleNotFoundError', "No module named 'envmagic'");
  assert.equal(readAnswer('look', missing).kind, 'missing');
  const older = failed('ModuleNotFoundError', "No module named 'envmagic.face'");
  assert.equal(readAnswer('look', older).side, 'there');
  const broken = failed('ModuleNotFoundError', "No module named 'packaging'");
  assert.equal(readAnswer('look', broken).kind, 'crashed');
});

test('what is no reply of ours is a crash, and is said so', () => {
  for (const value of [undefined, { status: 'ok', data: {} }, { status: 'ok', data: { 'application/json': [] } }]) {
    assert.equal(readAnswer('look', value).kind, 'crashed');
  }
});

test('no secret of a URL is in the message of a crash', () => {
  const { message } = readAnswer('look', failed('ValueError', 'https://me:hunter2@host/simple'));
  assert.equal(message, 'ValueError: https://****@host/simple');
  assert.equal(maskSecrets('https://host/a@b'), 'https://host/a@b');
  assert.equal(maskSecrets('https://host:80/a@b'), 'https://host:80/a@b');
  assert.equal(maskSecrets('at https://me:p/a@ss@host/x'), 'at https://****@host/x');
  assert.equal(maskSecrets('https://host/x?token=abc&d=1#e f'), 'https://host/x?****#e f');
});

test('a reply of another shape is said to be one, and where', () => {
  const broken = reply({ rows: [{ name: 'numpy', kind: 7 }], rest: 0 });
  const { kind, message } = readAnswer('rows', broken);
  assert.equal(kind, 'crashed');
  assert.match(message, /rows\.0\.kind/);
});
