import assert from 'node:assert/strict';
import { test } from 'node:test';

import { BOOLEAN, fields, list, nullable, NUMBER, oneOf, STRING, values } from '../lib/shape.js';

const ROW = fields({ name: STRING, kind: oneOf('keep', 'held') }, { size: nullable(NUMBER) });
const TABLE = fields({ rows: list(ROW), files: values(STRING), whole: BOOLEAN });
const row = { name: 'numpy', kind: 'keep' };
const table = { rows: [row, { ...row, size: 7 }, { ...row, size: null }], files: { a: 'b' }, whole: true };

test('a value of a shape is one, whatever else there is in it', () => {
  assert.equal(TABLE.find(table), null);
  assert.equal(TABLE.find({ ...table, more: [] }), null);
  assert.equal(TABLE.find({ rows: [], files: {}, whole: false }), null);
});

for (const [where, change] of [
  ['rows', { rows: {} }],
  ['rows', { rows: null }],
  ['rows.1', { rows: [row, []] }],
  ['rows.0.name', { rows: [{ kind: 'keep' }] }],
  ['rows.0.kind', { rows: [{ ...row, kind: 'kept' }] }],
  ['rows.0.size', { rows: [{ ...row, size: '7' }] }],
  ['rows.0.size', { rows: [{ ...row, size: undefined }] }],
  ['files', { files: ['b'] }],
  ['files.a', { files: { a: null } }],
  ['whole', { whole: undefined }],
  ['whole', { whole: 1 }]
]) {
  test(`what is not of a shape is found: ${where} of ${JSON.stringify(change)}`, () => {
    assert.equal(TABLE.find({ ...table, ...change }), where);
  });
}

test('what is wrong as a whole is said to be so', () => {
  for (const value of [null, undefined, 1, 'rows', []]) {
    assert.equal(TABLE.find(value), '');
  }
});
