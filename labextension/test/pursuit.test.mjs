import assert from 'node:assert/strict';
import { mock, test } from 'node:test';

import { Pursuit } from '../lib/pursuit.js';

globalThis.window = globalThis;
globalThis.document = { hidden: false };

/** A kernel whose works are said to be so, each with a log of its own. */
class Kernel {
  works = [];
  asked = [];
  told = [];
  ended = [];
  pursuit = new Pursuit({
    ask: async end => this.answer(end),
    blame: answer => this.told.push(answer.kind),
    tell: (work, log) => this.told.push([work?.id, log]),
    end: work => this.ended.push(work?.id)
  });

  answer(end) {
    this.asked.push(end);
    const { id, state, log } = this.works.at(-1);
    return {
      kind: 'ok',
      data: { work: { id, state }, log: log.slice(end), log_end: log.length }
    };
  }
}

test('what the tools say comes in pieces, and is told as a whole', async () => {
  const kernel = new Kernel();
  kernel.works = [{ id: 'a', state: 'working', log: 'one' }];
  await kernel.pursuit.ask();
  kernel.works = [{ id: 'a', state: 'ended', log: 'one two' }];
  await kernel.pursuit.ask();
  assert.deepEqual(kernel.told.at(-1), ['a', 'one two']);
  assert.deepEqual(kernel.ended, ['a']);
  assert.deepEqual(kernel.asked, [0, 3, 7]);
});

test('the log of another piece of work begins anew', async () => {
  const kernel = new Kernel();
  kernel.works = [{ id: 'a', state: 'working', log: 'AAAAAAAA' }];
  await kernel.pursuit.ask();
  kernel.works = [{ id: 'b', state: 'ended', log: 'bbbbb' }];
  await kernel.pursuit.ask();
  assert.deepEqual(kernel.told.at(-1), ['b', 'bbbbb']);
});

test('a kernel that is silent is asked again, one that is lost is not', async () => {
  mock.timers.enable({ apis: ['setTimeout'] });
  const kernel = new Kernel();
  const answers = [{ kind: 'silent' }, { kind: 'crashed' }];
  kernel.answer = () => {
    kernel.asked.push(0);
    return answers.shift();
  };
  await kernel.pursuit.ask();
  assert.deepEqual(kernel.told, []);
  mock.timers.tick(10_000);
  await new Promise(setImmediate);
  assert.deepEqual(kernel.told, ['crashed']);
  mock.timers.tick(60_000);
  assert.equal(kernel.asked.length, 2);
  mock.timers.reset();
});

test('a refusal is told, and what is at work is asked after again', async () => {
  mock.timers.enable({ apis: ['setTimeout'] });
  const kernel = new Kernel();
  const answer = kernel.answer.bind(kernel);
  kernel.answer = () => ({ kind: 'refused' });
  kernel.works = [{ id: 'a', state: 'ended', log: '' }];
  await kernel.pursuit.ask();
  mock.timers.tick(10_000);
  await new Promise(setImmediate);
  assert.deepEqual(kernel.told, ['refused']); // once
  kernel.pursuit.stop();
  await kernel.pursuit.ask();
  assert.deepEqual(kernel.told, ['refused', 'refused']); // it may be another kernel
  kernel.answer = answer;
  mock.timers.tick(10_000);
  await new Promise(setImmediate);
  assert.deepEqual(kernel.ended, ['a']);
  mock.timers.reset();
});

test('a crash is told, also after a refusal', async () => {
  const kernel = new Kernel();
  const answers = [{ kind: 'refused' }, { kind: 'crashed' }];
  kernel.answer = () => answers.shift();
  await kernel.pursuit.ask();
  await kernel.pursuit.ask();
  assert.deepEqual(kernel.told, ['refused', 'crashed']);
});

test('who follows while an answer is waited for asks nothing beside that', async () => {
  mock.timers.enable({ apis: ['setTimeout'] });
  const kernel = new Kernel();
  let reply;
  kernel.pursuit = new Pursuit({
    ask: end => new Promise(resolve => (reply = () => resolve(kernel.answer(end)))),
    blame: () => {},
    tell: (work, log) => kernel.told.push([work?.id, log]),
    end: () => {}
  });
  kernel.works = [{ id: 'a', state: 'working', log: 'one' }];
  const asked = kernel.pursuit.ask();
  kernel.pursuit.follow();
  mock.timers.tick(60_000);
  reply();
  await asked;
  assert.deepEqual(kernel.told, [['a', 'one']]);
  assert.deepEqual(kernel.asked, [0]);
  mock.timers.reset();
});

test('after its stop, an answer is of no use', async () => {
  const kernel = new Kernel();
  kernel.works = [{ id: 'a', state: 'working', log: '' }];
  const asked = kernel.pursuit.ask();
  kernel.pursuit.stop();
  await asked;
  assert.deepEqual(kernel.told, []);
});
