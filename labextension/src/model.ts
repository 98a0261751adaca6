/** What is known of the current document's environment: one state, and one signal. */

import type { ISessionContext } from '@jupyterlab/apputils';
import type { Kernel, KernelMessage } from '@jupyterlab/services';
import { ISignal, Signal } from '@lumino/signaling';

import { Answer } from './answer.js';
import { Line } from './kernel.js';
import { Blank, Lacking, State } from './state.js';
import { Change, Look, Report, Requests, Requirers, Watched, Work } from './tokens.js';

/** How often a piece of work is asked after, in ms. */
const POLL = 500;
/** How long after the end of a cell its effects are looked for, in ms. */
const SETTLE = 300;

/** A notebook or a console: what has a kernel. */
export interface Document {
  /** Its path in the server's view of the files. */
  path: string;
  sessionContext: ISessionContext;
}

/** What a user has set. */
export interface Preferences {
  /** The lock of every notebook that has none chosen; empty: the one in its folder. */
  lock: string;
  /** Options of `%envsync` for every comparison. */
  options: string;
}

/**
 * Follows one document after another, and its kernel through restarts.
 *
 * Nothing is asked of a kernel before `isWanted`: while nobody sees the panel or its badge.
 */
export class Model {
  constructor(
    private readonly version: string,
    private readonly preferences: Preferences,
    private readonly isWanted: () => boolean
  ) {}

  get state(): State {
    return this._state;
  }

  get changed(): ISignal<this, void> {
    return this._changed;
  }

  get document(): Document | null {
    return this._document;
  }

  /** Follows another document, or none. */
  follow(document: Document | null): void {
    if (document?.sessionContext === this._document?.sessionContext) {
      return;
    }
    const before = this._document?.sessionContext;
    if (before) {
      before.kernelChanged.disconnect(this.reconnect, this);
      before.statusChanged.disconnect(this.onStatus, this);
      before.connectionStatusChanged.disconnect(this.onStatus, this);
      before.disposed.disconnect(this.onDisposed, this);
    }
    this._document = document;
    const context = document?.sessionContext;
    if (context) {
      context.kernelChanged.connect(this.reconnect, this);
      context.statusChanged.connect(this.onStatus, this);
      context.connectionStatusChanged.connect(this.onStatus, this);
      context.disposed.connect(this.onDisposed, this);
    }
    this._lock = '';
    this.reconnect();
  }

  /** Compares again, if something has changed since; cheap where nothing has. */
  async check(): Promise<void> {
    const state = this._state;
    if (!this.isWanted()) {
      return;
    }
    if (!this._line) {
      if (!this._opening) {
        await this.open();
      }
      return;
    }
    if (isLacking(state) && !state.installing && !this.mustWait()) {
      await this.look(); // a cell may have installed it
      return;
    }
    if (state.face !== 'ready' || state.refreshing || isAtWork(state.work) || this.mustWait()) {
      return;
    }
    const answer = await this.ask('stamp', { lock: state.look.lock });
    if (answer?.kind !== 'ok' || this._state !== state) {
      return;
    }
    if (isAtWork(answer.data.work)) {
      this.set({ ...state, work: answer.data.work });
      this.watch();
    } else if (answer.data.stamp !== state.look.stamp) {
      await this.look();
    }
  }

  /** Compares with a lock; without one, with the one that is chosen, or the kernel's own. */
  async look(lock?: string): Promise<void> {
    this._lock = lock ?? this._lock;
    const before = this._state;
    if (before.face === 'ready') {
      this.set({ ...before, refreshing: true });
    } else if (!isLacking(before)) {
      this.set({ face: this.waiting() });
    }
    const { lock: preferred, options } = this.preferences;
    const answer = await this.ask('look', { lock: this._lock, preferred, options });
    if (answer?.kind === 'ok') {
      await this.show(answer.data);
    }
  }

  /** Compares anew where a comparison is shown: the preferences are others. */
  async refresh(): Promise<void> {
    if (this._state.face === 'ready' && !isAtWork(this._state.work)) {
      await this.look();
    }
  }

  /** Fetches what would be installed, to know what it requires; changes nothing. */
  preview(): Promise<void> {
    return this.start('preview');
  }

  /** Makes the environment equal to the lock, as the report says. */
  apply(): Promise<void> {
    return this.start('sync');
  }

  /** Returns what an undo would do; null: it cannot be done, and that is shown. */
  async lookBack(): Promise<{ report: Report; rows: Change[] } | null> {
    const answer = await this.ask('look_back');
    if (answer?.kind !== 'ok') {
      return null;
    }
    const { report, rest } = answer.data;
    const rows = await this.readRows(report, rest);
    return rows && { report, rows };
  }

  /** Puts back what the last change did, as its report says. */
  undo(report: Report): Promise<void> {
    return this.start('undo', report.id);
  }

  /** Stops what is at work; what was changed is put back. */
  cancel(): Promise<void> {
    return this.command('cancel');
  }

  /** Goes on with what is shown, although it is more than was shown at first. */
  agree(): Promise<void> {
    const report = this._state.face === 'ready' ? this._state.report?.id : undefined;
    return this.command('agree', { report });
  }

  /** Takes note of how something has ended, and shows the comparison again. */
  async dismiss(): Promise<void> {
    if (this._state.face === 'ready') {
      this.set({ ...this._state, work: null, log: '', notice: null });
    }
    await this.ask('dismiss');
    await this.look();
  }

  /** Writes the installed set as a lock; false: there is a file of that name, and it differs. */
  async freeze(file: string, force: boolean): Promise<boolean> {
    const session = this._session;
    const answer = await this._line?.ask('freeze', { file, force });
    if (!answer || session !== this._session) {
      return true;
    }
    if (answer.kind === 'refused' && answer.error.kind === 'FileDiffersError') {
      return false;
    }
    this.blame(answer);
    if (answer.kind === 'ok') {
      await this.look();
      this.tell(`${answer.data.wrote}: ${answer.data.summary}`);
    }
    return true;
  }

  /** Returns what requires a project; null: the kernel cannot say it any more. */
  async explain(name: string): Promise<Requirers | null> {
    const report = this._state.face === 'ready' ? this._state.report : null;
    const answer = report && (await this.ask('explain', { report: report.id, name }));
    return answer?.kind === 'ok' ? answer.data : null;
  }

  /** Installs envmagic into the kernel's environment. */
  async install(): Promise<void> {
    const state = this._state;
    if (!this._line || !isLacking(state)) {
      return;
    }
    this.set({ ...state, installing: true, problem: '' });
    const problem = await this._line.install(this.version);
    if (problem) {
      this.set({ ...state, installing: false, problem });
    } else {
      await this.look();
    }
  }

  /** Takes away what was said once. */
  hush(): void {
    if (this._state.face === 'ready') {
      this.set({ ...this._state, notice: null });
    }
  }

  /** Opens a line, if there is a kernel to speak to; anew where there is one already. */
  async open(): Promise<void> {
    this.close();
    const blank = this.findBlank();
    const kernel = this._document?.sessionContext.session?.kernel;
    if (blank || !kernel) {
      this.set(blank ?? { face: 'no-kernel' });
      return;
    }
    if (!this.isWanted()) {
      return;
    }
    this._opening = true;
    this.set({ face: kernel.status === 'busy' ? 'busy' : 'asking' });
    const session = this._session;
    const line = await Line.open(kernel);
    if (session !== this._session) {
      line?.dispose();
      return;
    }
    this._opening = false;
    this._line = line;
    if (!line) {
      this.set({ face: 'silent' });
    } else if (line.language !== 'python') {
      this.set({ face: 'not-python', language: line.language });
    } else {
      this.hear(kernel);
      await this.look();
    }
  }

  private reconnect(): void {
    void this.open();
  }

  private onDisposed(): void {
    this.follow(null);
  }

  /** Waits for a kernel that starts, and begins anew when it is there. */
  private onStatus(): void {
    const blank = this.findBlank();
    if (blank) {
      this.close();
      this.set(blank);
    } else if (!this._line && !this._opening) {
      void this.open();
    } else if (this._state.face === 'asking' && this._line) {
      this.set({ face: this.waiting() });
    }
  }

  /** Returns what there is to say where there is no kernel to ask; null: there is one. */
  private findBlank(): Blank | null {
    const context = this._document?.sessionContext;
    if (!context || context.isDisposed) {
      return { face: 'no-document' };
    }
    const kernel = context.session?.kernel;
    if (!kernel) {
      return { face: context.isReady && !context.isRestarting ? 'no-kernel' : 'starting' };
    }
    switch (kernel.status) {
      case 'dead':
        return { face: 'died' };
      case 'starting':
      case 'restarting':
      case 'autorestarting':
      case 'terminating':
        return { face: 'starting' };
      default:
        return context.isRestarting ? { face: 'starting' } : null;
    }
  }

  private waiting(): 'asking' | 'busy' {
    return this.mustWait() ? 'busy' : 'asking';
  }

  /** Whether an answer has to wait for the cell that is running. */
  private mustWait(): boolean {
    const kernel = this._document?.sessionContext.session?.kernel;
    return (this._line?.waits ?? false) && kernel?.status === 'busy';
  }

  /** Looks again after each cell: it may have installed something. */
  private hear(kernel: Kernel.IKernelConnection): void {
    this._heard = kernel;
    kernel.anyMessage.connect(this.onMessage, this);
  }

  private onMessage(_: unknown, { msg, direction }: Kernel.IAnyMessageArgs): void {
    // Replies on the shell channel come to the connection that asked: ours are not among them.
    const type: KernelMessage.MessageType = msg.header.msg_type;
    if (direction === 'recv' && type === 'execute_reply') {
      window.clearTimeout(this._settling);
      this._settling = window.setTimeout(() => void this.check(), SETTLE);
    }
  }

  private close(): void {
    this._session++;
    this._opening = false;
    window.clearTimeout(this._settling);
    window.clearTimeout(this._polling);
    this._polling = 0;
    this._heard?.anyMessage.disconnect(this.onMessage, this);
    this._heard = null;
    this._line?.dispose();
    this._line = null;
  }

  /** Asks the kernel; undefined: another one is followed now, and the answer is of no use. */
  private async ask<M extends keyof Requests>(
    method: M,
    args: object = {}
  ): Promise<Answer<Requests[M]> | undefined> {
    const session = this._session;
    const line = this._line;
    if (!line) {
      return undefined;
    }
    const answer = await line.ask(method, args);
    if (session !== this._session) {
      return undefined;
    }
    this.blame(answer);
    return answer;
  }

  /** Shows why there is no answer. */
  private blame(answer: Answer<unknown>): void {
    switch (answer.kind) {
      case 'ok':
        return;
      case 'refused':
        if (this._state.face === 'ready') {
          const { message: text, hint } = answer.error;
          const notice = { text, hint: hint ?? '', error: true };
          this.set({ ...this._state, refreshing: false, notice });
        } else {
          this.set({ face: 'crashed', message: answer.error.message });
        }
        return;
      case 'missing':
        if (this._state.face !== 'missing' || this._state.installing) {
          this.set({ face: 'missing', installing: false, problem: '' });
        }
        return;
      case 'older':
        if (answer.side === 'here') {
          this.set({ face: 'older-here', version: answer.version });
        } else if (this._state.face !== 'older-there' || this._state.installing) {
          const { version } = answer;
          this.set({ face: 'older-there', version, installing: false, problem: '' });
        }
        return;
      case 'crashed':
        this.set({ face: 'crashed', message: answer.message });
        return;
      case 'silent':
        this.set({ face: 'silent' });
        return;
      case 'gone':
        return; // the kernel's status tells why
    }
  }

  private async show(look: Look): Promise<void> {
    const rows = look.report ? await this.readRows(look.report, look.rest) : [];
    if (!rows) {
      return;
    }
    const before = this._state.face === 'ready' ? this._state : null;
    this.set({
      face: 'ready',
      look,
      report: look.report,
      rows,
      work: look.work,
      log: look.work && look.work.id === before?.work?.id ? before.log : '',
      refreshing: false,
      notice: before?.notice ?? null,
      waits: this._line?.waits ?? false
    });
    if (isAtWork(look.work)) {
      this.watch();
    }
    if (look.report && !look.report.accelerator) {
      await this.askForGpus(look.report.id);
    }
  }

  /** Returns all rows of a report, page by page; null: another kernel is followed now. */
  private async readRows(report: Report, rest: number): Promise<Change[] | null> {
    const rows = [...report.changes];
    for (let left = rest; left; ) {
      const answer = await this.ask('rows', { report: report.id, start: rows.length });
      if (answer?.kind !== 'ok') {
        return null;
      }
      rows.push(...answer.data.rows);
      left = answer.data.rest;
    }
    return rows;
  }

  /** Fills in what the driver says, which may take it a moment. */
  private async askForGpus(id: string): Promise<void> {
    const answer = await this.ask('gpus', { report: id });
    const state = this._state;
    if (answer?.kind === 'ok' && state.face === 'ready' && state.report?.id === id) {
      this.set({ ...state, report: { ...state.report, accelerator: answer.data.accelerator } });
    }
  }

  private async start(what: string, report?: string): Promise<void> {
    const id = report ?? (this._state.face === 'ready' ? this._state.report?.id : undefined);
    this._logged = 0;
    if (this._state.face === 'ready') {
      this.set({ ...this._state, log: '', notice: null });
    }
    const answer = await this.ask('start', { what, report: id });
    if (answer?.kind === 'ok') {
      this.take(answer.data);
      this.watch();
    }
  }

  private async command(method: 'agree' | 'cancel', args: object = {}): Promise<void> {
    const answer = await this.ask(method, args);
    if (answer?.kind === 'ok') {
      await this.poll();
    }
  }

  /** Asks after what is at work until it has ended. */
  private watch(): void {
    if (!this._polling) {
      this._polling = window.setTimeout(() => void this.poll(), POLL);
    }
  }

  private async poll(): Promise<void> {
    window.clearTimeout(this._polling);
    this._polling = 0;
    const before = this._state.face === 'ready' ? this._state.work : null;
    const answer = await this.ask('work', { log: this._logged });
    if (answer?.kind !== 'ok') {
      return;
    }
    const work = answer.data.work;
    const asks = work?.state === 'asking' && before?.state !== 'asking';
    this.take(answer.data);
    if (work && isAtWork(work)) {
      if (asks && work.report) {
        await this.showReport(work.report);
      }
      this.watch();
    } else if (answer.data.log) {
      await this.poll(); // the log comes in pieces
    } else {
      await this.conclude(work);
    }
  }

  /** Shows what came of it: the environment as it is now, or what a preview has found. */
  private async conclude(work: Work | null): Promise<void> {
    if (work?.what === 'preview' && work.report) {
      await this.ask('dismiss');
      await this.showReport(work.report);
    } else {
      await this.look();
    }
  }

  private async showReport(id: string): Promise<void> {
    const answer = await this.ask('report', { report: id });
    const rows = answer?.kind === 'ok' && (await this.readRows(answer.data.report, answer.data.rest));
    if (answer?.kind !== 'ok' || !rows || this._state.face !== 'ready') {
      return;
    }
    const { work } = this._state;
    const ended = !work || work.state === 'ended';
    const { report } = answer.data;
    this.set({ ...this._state, report, rows, work: ended ? null : work });
    if (!report.accelerator) {
      await this.askForGpus(report.id);
    }
  }

  private take(watched: Watched): void {
    if (this._state.face === 'ready') {
      this._logged = watched.log_end;
      this.set({ ...this._state, work: watched.work, log: this._state.log + watched.log });
    }
  }

  private tell(text: string): void {
    if (this._state.face === 'ready') {
      this.set({ ...this._state, notice: { text, hint: '', error: false } });
    }
  }

  private set(state: State): void {
    this._state = state;
    this._changed.emit();
  }

  private _state: State = { face: 'no-document' };
  private _changed = new Signal<this, void>(this);
  private _document: Document | null = null;
  private _line: Line | null = null;
  private _lock = '';
  private _logged = 0;
  private _opening = false;
  private _polling = 0;
  private _settling = 0;
  private _heard: Kernel.IKernelConnection | null = null;
  /** Counts the lines: what an older one answers is of no use. */
  private _session = 0;
}


/** Whether the kernel has no envmagic that could answer. */
function isLacking(state: State): state is Lacking {
  return state.face === 'missing' || state.face === 'older-there';
}

function isAtWork(work: Work | null): boolean {
  return work !== null && work.state !== 'ended';
}
