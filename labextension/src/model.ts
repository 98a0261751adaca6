/** What is known of the current document's environment: one state, and one signal. */

import { ISignal, Signal } from '@lumino/signaling';

import { Answer } from './answer.js';
import { Document, KernelSession } from './session.js';
import { Blank, Lacking, State } from './state.js';
import { Change, Look, Report, Requests, Requirers, Watched, Work } from './tokens.js';

/** How often a piece of work is asked after, in ms. */
const POLL = 500;

/** What a user has set. */
export interface Preferences {
  /** The lock of every notebook that has none chosen; empty: the one in its folder. */
  lock: string;
  /** Options of `%envsync` for every comparison. */
  options: string;
}

/** The state of the panel, and what changes it; the kernel is asked for everything. */
export class Model {
  constructor(
    private readonly version: string,
    private readonly preferences: Preferences,
    private readonly isWanted: () => boolean
  ) {
    this._session = new KernelSession(isWanted);
    this._session.blanked.connect((_, blank) => this.blank(blank));
    this._session.opened.connect(() => void this.look());
    this._session.ranCell.connect(() => void this.check());
    this._session.stirred.connect(() => this.wait());
  }

  get state(): State {
    return this._state;
  }

  get changed(): ISignal<this, void> {
    return this._changed;
  }

  get document(): Document | null {
    return this._session.document;
  }

  /** Follows another document, or none. */
  follow(document: Document | null): void {
    if (this._session.follow(document)) {
      this._lock = '';
    }
  }

  /** Opens a new line to the kernel, and compares. */
  open(): Promise<void> {
    return this._session.open();
  }

  /** Compares again, if something has changed since; cheap where nothing has. */
  async check(): Promise<void> {
    const state = this._state;
    if (!this.isWanted()) {
      return;
    }
    if (!this._session.line) {
      await this._session.ensure();
      return;
    }
    if (isLacking(state) && !state.installing && !this._session.mustWait) {
      await this.look(); // a cell may have installed it
      return;
    }
    const rests = state.face === 'ready' && !state.refreshing && !isAtWork(state.work);
    if (!rests || this._session.mustWait) {
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
      this.set({ ...before, refreshing: true, waits: this._session.mustWait });
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
    const answer = await this._session.ask('freeze', { file, force });
    if (!answer) {
      return true;
    }
    if (answer.kind === 'refused' && answer.error.kind === 'FileDiffersError') {
      return false;
    }
    this.blame(answer);
    if (answer.kind === 'ok') {
      const isFirst = this._state.face === 'ready' && !this._state.look.lock;
      await this.look(isFirst ? file : undefined);
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
    const line = this._session.line;
    if (!line || !isLacking(state)) {
      return;
    }
    this.set({ ...state, installing: true, problem: '' });
    const problem = await line.install(this.version);
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

  /** Shows why nothing can be compared; what was at work is no longer watched from here. */
  private blank(blank: Blank): void {
    window.clearTimeout(this._polling);
    this._polling = 0;
    this.set(blank);
  }

  /** Shows what the first answer waits for. */
  private wait(): void {
    if (this._session.line && (this._state.face === 'asking' || this._state.face === 'busy')) {
      this.set({ face: this.waiting() });
    }
  }

  private waiting(): 'asking' | 'busy' {
    return this._session.mustWait ? 'busy' : 'asking';
  }

  private async ask<M extends keyof Requests>(
    method: M,
    args: object = {}
  ): Promise<Answer<Requests[M]> | undefined> {
    const answer = await this._session.ask(method, args);
    if (answer) {
      this.blame(answer);
    }
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
      waits: false
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
  private readonly _session: KernelSession;
  private _lock = '';
  private _logged = 0;
  private _polling = 0;
}


/** Whether the kernel has no envmagic that could answer. */
function isLacking(state: State): state is Lacking {
  return state.face === 'missing' || state.face === 'older-there';
}

function isAtWork(work: Work | null): boolean {
  return work !== null && work.state !== 'ended';
}
