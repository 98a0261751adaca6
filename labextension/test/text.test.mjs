import assert from 'node:assert/strict';
import { test } from 'node:test';

import { donePhrases, withoutColours } from '../lib/text.js';

test('a log is shown without the colours of a terminal', () => {
  assert.equal(withoutColours('\u001b[31mERROR: no [x]\u001b[0m\u001b[1;33m!'), 'ERROR: no [x]!');
});

test('what was done is counted, and what was not is left out', () => {
  const trans = { _n: (one, many, count) => one.replace('%1', count) };
  const done = { install: 2, upgrade: 0, downgrade: 0, reinstall: 0, remove: 1, keep: 40 };
  assert.deepEqual(donePhrases(done, trans), ['2 installed', '1 removed']);
});
