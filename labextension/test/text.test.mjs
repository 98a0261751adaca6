import assert from 'node:assert/strict';
import { test } from 'node:test';

import { withoutColours } from '../lib/text.js';

test('a log is shown without the colours of a terminal', () => {
  assert.equal(withoutColours('\u001b[31mERROR: no [x]\u001b[0m\u001b[1;33m!'), 'ERROR: no [x]!');
});
