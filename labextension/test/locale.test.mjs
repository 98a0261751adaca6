import assert from 'node:assert/strict';
import { readdirSync, readFileSync } from 'node:fs';
import { test } from 'node:test';

const SOURCE = new URL('../src/', import.meta.url);
const LOCALES = new URL('../../envmagic/locale/', import.meta.url);
const LITERAL = String.raw`'((?:[^'\\]|\\.)*)'`;
const CALL = /trans\s*\.\s*_[_n]\(/g;
const PLAIN = new RegExp(String.raw`trans\s*\.\s*__\(\s*${LITERAL}`, 'g');
const PLURAL = new RegExp(String.raw`trans\s*\.\s*_n\(\s*${LITERAL},\s*${LITERAL}`, 'g');

const source = readdirSync(SOURCE)
  .map(name => readFileSync(new URL(name, SOURCE), 'utf8'))
  .join('\n');
const plurals = [...source.matchAll(PLURAL)];
const found = [...source.matchAll(PLAIN), ...plurals];
const counted = new Set(plurals.map(match => match[1]));
const words = new Set(found.map(match => match[1]));

test('every call of the bundle has a literal text, so that it can be found', () => {
  assert.equal([...source.matchAll(CALL)].length, found.length);
});

for (const locale of readdirSync(LOCALES)) {
  const file = new URL(`${locale}/LC_MESSAGES/envmagic.json`, LOCALES);
  const { '': header, ...messages } = JSON.parse(readFileSync(file, 'utf8'));

  test(`${locale} has every text, and none that is gone`, () => {
    // As JupyterLab 4.6 reads it: the other spellings make its bundle throw, or be ignored.
    assert.equal(header.language, locale.replace('_', '-'));
    assert.equal(header.plural_forms, header.pluralForms);
    assert.deepEqual(Object.keys(messages).sort(), [...words].sort());
  });

  test(`${locale} keeps the places for what is filled in`, () => {
    const places = text => [...new Set(text.match(/%\d/g))].sort();
    for (const [text, forms] of Object.entries(messages)) {
      forms.forEach(form => assert.deepEqual(places(form), places(text), text));
    }
  });

  test(`${locale} has several forms of what is counted, and one of all else`, () => {
    // Or else JupyterLab's gettext takes the English, even where a language has one form only.
    for (const [text, forms] of Object.entries(messages)) {
      assert.equal(forms.length > 1, counted.has(text), text);
    }
  });
}
