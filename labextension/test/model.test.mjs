import assert from 'node:assert/strict';
import { readFileSync } from 'node:fs';
import { mock, test } from 'node:test';

import signaling from '@lumino/signaling';

globalThis.window = globalThis;
globalThis.WebSocket = class {}; // what a page has, and Node 20 has not
const { Model } = await import('../lib/model.js');
globalThis.document = { hidden: false }; // not before: JupyterLab takes that for a whole page
const { Signal } = signaling;

const LOOK = JSON.parse(
  readFileSync(new URL('../../tests/wire/report.v1.json', import.meta.url), 'utf8')
);
const WORKS = JSON.parse(
  readFileSync(new URL('../../tests/wire/work.v1.json', import.meta.url), 'utf8')
);
const AT_WORK = WORKS.working.work;
const BESIDE = { schema: LOOK.schema, envmagic: LOOK.envmagic };
const later = setTimeout; // whoever mocks the timers of the model still waits by these
const pause = (ms = 5) => new Promise(resolve => later(resolve, ms));
const until = async condition => {
  for (let tries = 0; !(await condition()); tries++) {
    assert.ok(tries < 400, `in vain: ${condition}`);
    await pause();
  }
};

/** A kernel as JupyterLab sees it, which does one thing at a time in its main shell. */
class Kernel {
  constructor({ subshells = false, language = 'python' } = {}) {
    this.supportsSubshells = subshells;
    this.info = Promise.resolve({ language_info: { name: language } });
    this.spec = Promise.resolve({ language });
  }
  status = 'idle';
  anyMessage = new Signal(this);
  statusChanged = new Signal(this);
  asked = [];
  /** What an answer waits for. */
  holds = {};
  answers = {
    look: { ...LOOK, rest: 0, work: null, stamp: 'one' },
    stamp: { ...BESIDE, stamp: 'one', work: null },
    gpus: { ...BESIDE, accelerator: LOOK.report.accelerator }
  };

  get methods() {
    return this.asked.map(({ method }) => method);
  }

  say(type, content, parent) {
    const msg = { header: { msg_type: type }, parent_header: { session: parent }, content };
    this.anyMessage.emit({ msg, direction: 'recv' });
    if (type === 'status') {
      this.status = content.execution_state;
      this.statusChanged.emit(this.status);
    }
  }

  /** Does something that others have asked for. */
  async run(cell, work) {
    await (this.turn = (this.turn ?? Promise.resolve()).then(async () => {
      this.say('status', { execution_state: 'busy' }, 'notebook');
      await work();
      this.say('execute_reply', { status: cell }, 'notebook');
      this.say('status', { execution_state: 'idle' }, 'notebook');
    }));
  }

  clone() {
    const kernel = this;
    const closed = [];
    const done = () => {
      const promise = new Promise((_, reject) => closed.push(reject));
      promise.catch(() => undefined);
      return promise;
    };
    return {
      clientId: 'ours',
      username: 'me',
      subshellId: null,
      isDisposed: false,
      connectionStatus: 'connected',
      connectionStatusChanged: new Signal(kernel),
      disposed: new Signal(kernel),
      dispose() {
        this.isDisposed = true;
        closed.forEach(reject => reject(new Error('closed')));
      },
      sendControlMessage() {
        const future = { done: done(), dispose() {} };
        later(() => future.onReply?.({ content: { subshell_id: 'beside' } }));
        return future;
      },
      requestExecute({ user_expressions: { envmagic } }) {
        const request = JSON.parse(JSON.parse(/handle\((".*")\)/s.exec(envmagic)[1]));
        const future = { done: done(), dispose() {} };
        kernel.asked.push(request);
        const answer = async () => {
          await kernel.holds[request.method];
          kernel.say('status', { execution_state: 'busy' }, 'ours');
          await pause(1);
          const data = { 'application/json': kernel.answers[request.method] };
          const content = kernel.aborts
            ? { status: 'aborted' }
            : { status: 'ok', user_expressions: { envmagic: { status: 'ok', data } } };
          kernel.aborts &&= kernel.aborts - 1;
          future.onReply({ content });
          kernel.say('status', { execution_state: 'idle' }, 'ours');
        };
        if (this.subshellId) {
          void answer();
        } else {
          kernel.turn = (kernel.turn ?? Promise.resolve()).then(answer);
        }
        return future;
      }
    };
  }
}

/** A notebook whose kernel this is. */
function notebookOf(kernel, path = 'n.ipynb') {
  const sessionContext = {
    session: { kernel },
    isReady: true,
    isDisposed: false,
    isRestarting: false,
    kernelChanged: new Signal(kernel),
    statusChanged: kernel.statusChanged,
    connectionStatusChanged: new Signal(kernel),
    disposed: new Signal(kernel)
  };
  return { path, sessionContext };
}

/** A model that follows a notebook, and the faces that it had. */
function open(kernel, attention = { wanted: true, watched: true }) {
  const preferences = { lock: '', options: '' };
  const model = new Model(
    '0.1.0',
    preferences,
    () => attention.wanted,
    () => attention.watched
  );
  const faces = [];
  model.changed.connect(() => {
    const face = model.state.waits ? 'waits' : model.state.face;
    if (faces.at(-1) !== face) {
      faces.push(face);
    }
  });
  model.follow(notebookOf(kernel));
  return { model, faces };
}

for (const subshells of [true, false]) {
  test(`a drift is seen, ${subshells ? 'with' : 'without'} subshells`, async () => {
    const kernel = new Kernel({ subshells });
    const { model, faces } = open(kernel);
    await until(() => model.state.face === 'ready');
    assert.deepEqual(faces, ['asking', 'ready']); // what we ask ourselves is no running cell
    kernel.answers.stamp = { ...BESIDE, stamp: 'two', work: null };
    kernel.answers.look = { ...kernel.answers.look, stamp: 'two' };
    kernel.asked = [];
    await model.check();
    await model.check();
    assert.deepEqual(kernel.methods, ['stamp', 'look', 'stamp']);
    assert.deepEqual(faces, ['asking', 'ready']);
    model.dispose();
  });
}

test('without subshells it is said where an answer waits for a cell', async () => {
  const kernel = new Kernel();
  const { model, faces } = open(kernel);
  await until(() => model.state.face === 'ready');
  let end;
  const cell = kernel.run('ok', () => new Promise(resolve => (end = resolve)));
  await until(() => kernel.status === 'busy');
  kernel.asked = [];
  await model.check();
  assert.deepEqual(kernel.methods, []); // after the cell is soon enough
  const looking = model.look();
  assert.equal(model.state.waits, true);
  end();
  await Promise.all([cell, looking]);
  assert.equal(model.state.waits, false);
  assert.deepEqual(faces, ['asking', 'ready', 'waits', 'ready']);
  model.dispose();
});

test('work whose progress waits for a cell says so', async () => {
  const kernel = new Kernel();
  kernel.answers.look.work = AT_WORK;
  kernel.answers.work = { ...BESIDE, work: AT_WORK, log: '', log_end: 0 };
  const { model } = open(kernel);
  await until(() => model.state.face === 'ready');
  let end;
  const cell = kernel.run('ok', () => new Promise(resolve => (end = resolve)));
  await until(() => model.state.waits);
  end();
  await cell;
  await until(() => !model.state.waits);
  model.dispose();
});

test('work is followed to its end, and what came of it is compared', async () => {
  const kernel = new Kernel({ subshells: true });
  kernel.answers.start = WORKS.working;
  kernel.answers.work = WORKS.ended;
  kernel.answers.dismiss = { ...BESIDE, dismissed: true };
  const { model } = open(kernel);
  await until(() => model.state.face === 'ready');
  kernel.answers.look = { ...kernel.answers.look, stamp: 'two', work: WORKS.ended.work };
  kernel.asked = [];
  await model.workbench.apply(model.state.report);
  assert.equal(model.state.log, WORKS.working.log);
  assert.equal(model.workbench.work.state, 'working');
  await until(() => model.state.look.stamp === 'two');
  assert.equal(model.state.work.outcome.state, 'succeeded');
  assert.equal(model.workbench.work, null);
  kernel.answers.look = { ...kernel.answers.look, work: null };
  await model.workbench.dismiss();
  assert.equal(model.state.work, null);
  assert.deepEqual(kernel.methods, ['start', 'work', 'look', 'dismiss', 'look']);
  assert.deepEqual(kernel.asked.find(({ method }) => method === 'dismiss').args, { work: 'work-1' });
  model.dispose();
});

test('what a preview has found is shown in the place of the comparison', async () => {
  const kernel = new Kernel({ subshells: true });
  kernel.answers.start = { ...WORKS.previewed, work: { ...AT_WORK, what: 'preview' } };
  kernel.answers.work = WORKS.previewed;
  kernel.answers.dismiss = { ...BESIDE, dismissed: true };
  kernel.answers.report = { ...BESIDE, report: { ...LOOK.report, id: 'report-2' }, rest: 0 };
  const { model } = open(kernel);
  await until(() => model.state.face === 'ready');
  kernel.asked = [];
  await model.workbench.preview();
  await until(() => model.state.report.id === 'report-2');
  assert.equal(model.state.work, null);
  assert.deepEqual(kernel.methods, ['start', 'work', 'dismiss', 'report']);
  model.dispose();
});

test('what was asked of one kernel is not asked of the next', async () => {
  for (const language of ['python', 'R']) {
    const kernel = new Kernel({ subshells: true });
    kernel.answers.start = { ...WORKS.previewed, work: { ...AT_WORK, what: 'preview' } };
    kernel.answers.work = WORKS.previewed;
    kernel.holds.dismiss = new Promise(() => {});
    const { model } = open(kernel);
    await until(() => model.state.face === 'ready');
    await model.workbench.preview();
    await until(() => kernel.methods.at(-1) === 'dismiss');
    const other = new Kernel({ language });
    model.follow(notebookOf(other, 'other.ipynb'));
    const face = language === 'R' ? 'not-python' : 'ready';
    await until(() => model.state.face === face);
    await pause(20);
    assert.equal(model.state.face, face);
    assert.deepEqual(other.methods, language === 'R' ? [] : ['look']);
    model.dispose();
  }
});

test('a kernel that was silent is so until it answers, and no other one is', async () => {
  mock.timers.enable({ apis: ['setTimeout'] });
  const kernel = new Kernel();
  let wake;
  kernel.holds.look = new Promise(resolve => (wake = resolve));
  const { model, faces } = open(kernel);
  await until(() => kernel.methods.length === 1);
  await pause(); // until the limit is counted
  mock.timers.tick(30_000);
  await until(() => model.state.face === 'silent');
  assert.equal(model.state.again, false);
  void model.open();
  assert.deepEqual(model.state, { face: 'silent', again: true });
  await until(() => kernel.methods.length === 2);
  assert.deepEqual(faces, ['asking', 'silent']);
  for (const [status, face] of [['busy', 'busy'], ['idle', 'silent']]) {
    kernel.say('status', { execution_state: status }, 'notebook');
    assert.equal(model.state.face, face); // a cell runs before our question: that is known
  }

  const other = new Kernel();
  other.holds.look = new Promise(() => {});
  const back = notebookOf(kernel);
  model.follow(notebookOf(other, 'other.ipynb'));
  assert.equal(model.state.face, 'asking');
  model.follow(back);
  kernel.say('status', { execution_state: 'busy' }, 'notebook');
  kernel.say('status', { execution_state: 'idle' }, 'notebook');
  wake();
  await until(() => model.state.face === 'ready');
  model.dispose();
  mock.timers.reset();
});

test('a line that is lost is made anew when its kernel is there again', async () => {
  const kernel = new Kernel({ subshells: true });
  const lines = [];
  const clone = kernel.clone.bind(kernel);
  kernel.clone = () => lines[lines.push(clone()) - 1];
  kernel.connectionStatus = 'connected';
  const { model } = open(kernel);
  await until(() => model.state.face === 'ready');
  kernel.statusChanged.emit('idle');
  assert.equal(lines.length, 1);
  lines[0].connectionStatus = 'disconnected';
  kernel.statusChanged.emit('idle');
  assert.equal(lines.length, 2);
  assert.ok(lines[0].isDisposed);
  await until(() => kernel.methods.filter(method => method === 'look').length === 2);
  model.dispose();
});

test('what a failing cell takes with it is asked again', async () => {
  const kernel = new Kernel();
  const { model } = open(kernel);
  await until(() => model.state.face === 'ready');
  kernel.asked = [];
  kernel.aborts = 2;
  await model.look();
  assert.equal(model.state.face, 'ready');
  assert.deepEqual(kernel.methods, ['look', 'look', 'look']);
  model.dispose();
});

test('a lock that is named before there is a line is the one that is compared', async () => {
  const kernel = new Kernel();
  const { model } = open(kernel);
  await model.look('other.txt');
  await until(() => model.state.face === 'ready');
  assert.deepEqual(
    kernel.asked.filter(({ method }) => method === 'look').map(({ args }) => args.lock),
    ['other.txt']
  );
  await model.look();
  assert.equal(kernel.asked.at(-1).args.lock, '');
  model.dispose();
});

test('a kernel of another language is asked nothing, whoever wants it', async () => {
  const kernel = new Kernel({ language: 'R' });
  const { model } = open(kernel);
  await until(() => model.state.face === 'not-python');
  await model.look('lock.txt');
  await model.check();
  assert.deepEqual(kernel.asked, []);
  assert.equal(model.state.face, 'not-python');
  model.dispose();
});

test('a driver that takes its time is asked again', async () => {
  const kernel = new Kernel();
  kernel.answers.look.report = { ...LOOK.report, accelerator: null };
  let slow = 3;
  Object.defineProperty(kernel.answers, 'gpus', {
    get: () => ({ ...BESIDE, accelerator: slow-- > 0 ? null : LOOK.report.accelerator })
  });
  const { model } = open(kernel);
  await until(() => model.state.report?.accelerator);
  assert.deepEqual(kernel.methods, ['look', 'gpus', 'gpus', 'gpus', 'gpus']);
  model.dispose();
});

test('there is no badge where nobody watches', async () => {
  const attention = { wanted: true, watched: true };
  const { model } = open(new Kernel(), attention);
  await until(() => model.state.face === 'ready');
  assert.equal(model.badge.kind, 'differs');
  attention.watched = false;
  assert.equal(model.badge.kind, 'none');
  model.dispose();
});
