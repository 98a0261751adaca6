/** What is known of the current document's environment: one state, and one signal. */

import { ISignal, Signal } from '@lumino/signaling';

import { Answer } from './answer.js';
import { isAtWork, Pursuit } from './pursuit.js';
import { Questions } from './questions.js';
import { Document, KernelSession } from './session.js';
import { asking, Badge, badgeOf, Blank, isLacking, NO_BADGE, questionOf, State, withFailure } from './state.js';
import { Change, Look, Report, Requests, Requirers, Work } from './wire.js';

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
    private readonly isWanted: () => boolean,
    private readonly isWatched: () => boolean
  ) {
    this._session = new KernelSession(isWanted);
    this._session.blanked.connect((_, blank) => this.blank(blank));
    this._session.opened.connect(() => void this.look());
    this._session.stirred.connect(() => this.stir());
    this._questions = new Questions(this._session, {
      blame: answer => this.blame(answer),
      stir: () => this.tellWait()
    });
    this._pursuit = new Pursuit({
      ask: log => this._questions.request('work', { log }),
      blame: answer => this.blame(answer),
      tell: (work, log) => this.take(work, log),
      end: work => void this.conclude(work)
    });
  }

  /** Takes the line to the kernel away. */
  dispose(): void {
    this._pursuit.stop();
    this._session.dispose();
    Signal.clearData(this);
  }

  get state(): State {
    return this._state;
  }

  /** What there is to say in one word: nothing of what nobody watches, it may be out of date. */
  get badge(): Badge {
    return this.isWatched() ? badgeOf(this._state) : NO_BADGE;
  }

  get changed(): ISignal<this, void> {
    return this._changed;
  }

  /** Emitted a moment after a cell has ended. */
  get ranCell(): ISignal<KernelSession, void> {
    return this._session.ranCell;
  }

  get document(): Document | null {
    return this._session.document;
  }

  /** Follows another document, or none. */
  follow(document: Document | null): void {
    if (document?.sessionContext !== this.document?.sessionContext) {
      this._wanted = '';
      this._state = { face: 'no-document' }; // what was known is of another kernel
    }
    this._session.follow(document);
  }

  /** Tells again what there is: whether it is watched may be another. */
  tellAgain(): void {
    this._changed.emit();
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
    if (state.face === 'silent' && !state.again) {
      await this._session.open(); // it may have come to itself
      return;
    }
    if (!this._session.isOpen) {
      await this._session.ensure();
      return;
    }
    if (isLacking(state) && !state.installing && !this._session.mustWait) {
      await this.look(); // a cell may have installed it
      return;
    }
    if (state.face !== 'ready' || state.refreshing || this._session.mustWait) {
      return;
    }
    if (isAtWork(state.work)) {
      this._pursuit.follow(); // it may have been given up
      return;
    }
    const turn = this._turn;
    const answer = await this._questions.ask('stamp', { lock: state.look.lock });
    const now = this._state;
    if (answer?.kind !== 'ok' || turn !== this._turn || now.face !== 'ready' || isAtWork(now.work)) {
      return;
    }
    if (isAtWork(answer.data.work)) {
      this.set({ ...now, work: answer.data.work });
      this._pursuit.follow();
    } else if (answer.data.stamp !== now.look.stamp) {
      await this.look();
    }
  }

  /** Compares with a lock; without one, with the kernel's last, which a cell may have chosen. */
  async look(lock = ''): Promise<void> {
    if (!this._session.isOpen) {
      this._wanted = lock || this._wanted;
      return; // it compares as soon as there is a line
    }
    this._wanted = lock || this._wanted;
    const before = this._state;
    if (before.face === 'ready') {
      this.set({ ...before, refreshing: true });
    } else if (!isLacking(before)) {
      this.set(this.waiting());
    }
    const turn = ++this._turn;
    const { options } = this.preferences;
    // A kernel that is new knows of none.
    const preferred = this._locks.get(this.document?.path ?? '') ?? this.preferences.lock;
    const wanted = this._wanted;
    const answer = await this._questions.ask('look', { lock: wanted, preferred, options });
    if (answer?.kind === 'ok' && turn === this._turn) {
      this._wanted = '';
      await this.show(answer.data, turn);
    }
  }

  /** Compares anew where a comparison is shown: the preferences are others. */
  async refresh(): Promise<void> {
    if (this._state.face === 'ready' && !isAtWork(this._state.work)) {
      await this.look();
    }
  }

  /** Fetches what would be installed, to know what it requires; changes nothing. */
  async preview(): Promise<void> {
    if (this._state.face === 'ready' && this._state.report) {
      await this.start('preview', this._state.report);
    }
  }

  /** Makes the environment equal to the lock, as this report says. */
  apply(report: Report): Promise<void> {
    return this.start('sync', report);
  }

  /** Returns what an undo would do; null: it cannot be done, and that is shown. */
  async lookBack(): Promise<{ report: Report; rows: Change[] } | null> {
    const answer = await this._questions.ask('look_back');
    if (answer?.kind !== 'ok') {
      return null;
    }
    const { report, rest } = answer.data;
    const rows = await this._questions.rows(report, rest);
    return rows && { report, rows };
  }

  /** Puts back what the last change did, as its report says. */
  undo(report: Report): Promise<void> {
    return this.start('undo', report);
  }

  /** Stops what is at work; what was changed is put back. */
  async cancel(): Promise<void> {
    const work = this._state.face === 'ready' ? this._state.work?.id : undefined;
    if ((await this._questions.ask('cancel', { work }))?.kind === 'ok') {
      await this._pursuit.ask();
    }
  }

  /** Goes on with what this report asks about, although it is more than was shown at first. */
  async agree(report: Report): Promise<void> {
    const work = this._state.face === 'ready' ? this._state.work?.id : undefined;
    await this._questions.ask('agree', { work, report: report.id });
    await this._pursuit.ask();
  }

  /** Takes note of how something has ended, work or some of the news, and compares again. */
  async dismiss(news?: readonly string[]): Promise<void> {
    const state = this._state;
    if (state.face === 'ready' && news) {
      await this._questions.ask('dismiss', { news });
    } else if (state.face === 'ready' && state.work) {
      this.set({ ...state, work: null, log: '', notice: null });
      await this._questions.ask('dismiss', { work: state.work.id });
    }
    await this.look();
  }

  /** Writes the installed set as a lock; false: there is a file of that name, and it differs. */
  async freeze(file: string, force: boolean): Promise<boolean> {
    const answer = await this._questions.request('freeze', { file, force });
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
      this.tell(answer.data);
    }
    return true;
  }

  /** Returns what requires a project; null: the kernel cannot say it any more. */
  async explain(name: string): Promise<Requirers | null> {
    const report = this._state.face === 'ready' ? this._state.report : null;
    const answer = report && (await this._questions.ask('explain', { report: report.id, name }));
    return answer?.kind === 'ok' ? answer.data : null;
  }

  /** Installs envmagic into the kernel's environment. */
  async install(): Promise<void> {
    const state = this._state;
    if (!isLacking(state)) {
      return;
    }
    this.set({ ...state, installing: true, problem: '' });
    const problem = await this._session.install(this.version);
    if (problem === undefined) {
      return;
    }
    if (typeof problem !== 'string') {
      this.blame(problem);
    } else if (problem) {
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
    this._pursuit.stop();
    this._turn++;
    this.set(blank.face === 'asking' ? asking(this._state) : blank);
  }

  /** The kernel has become busy, or idle. */
  private stir(): void {
    const { face } = this._state;
    if (face === 'silent' && !this._session.isBusy) {
      void this.check();
    } else if (this._session.isOpen && (face === 'asking' || face === 'busy')) {
      this.set(this.waiting());
    } else {
      this.tellWait();
    }
  }

  /** Says where an answer waits for the end of a cell. */
  private tellWait(): void {
    const { wait: waits } = this._questions;
    if (this._state.face === 'ready' && this._state.waits !== waits) {
      this.set({ ...this._state, waits });
    }
  }

  private waiting(): Blank {
    return this._session.mustWait ? { face: 'busy' } : asking(this._state);
  }

  /** Shows why there is no answer. */
  private blame(answer: Answer<unknown>): void {
    const state = withFailure(this._state, answer);
    if (state !== this._state) {
      this.set(state);
    }
  }

  private async show(look: Look, turn: number): Promise<void> {
    const rows = look.report ? await this._questions.rows(look.report, look.rest) : [];
    if (!rows || turn !== this._turn) {
      return;
    }
    if (this.document && look.lock) {
      this._locks.set(this.document.path, look.lock);
    }
    const before = this._state.face === 'ready' ? this._state : null;
    const isStale = before?.look.stamp !== look.stamp && !before?.notice?.error;
    const isSame = look.work !== null && look.work.id === before?.work?.id;
    this.set({
      face: 'ready',
      look,
      report: look.report,
      rows,
      work: look.work,
      log: isSame ? before.log : '',
      refreshing: false,
      notice: isStale ? null : (before?.notice ?? null),
      waits: false
    });
    if (isAtWork(look.work)) {
      this._pursuit.follow();
    }
    await this.showQuestion();
    if (look.report && !look.report.accelerator) {
      void this.askForGpus(look.report.id);
    }
  }

  /** Fills in what the driver says, which may take it a moment. */
  private async askForGpus(id: string): Promise<void> {
    const isShown = () => this._state.face === 'ready' && this._state.report?.id === id;
    const accelerator = await this._questions.accelerator(id, isShown);
    const state = this._state;
    if (accelerator && state.face === 'ready' && state.report?.id === id) {
      this.set({ ...state, report: { ...state.report, accelerator } });
    }
  }

  private async start(what: string, report: Report): Promise<void> {
    if (this._state.face === 'ready') {
      this.set({ ...this._state, log: '', notice: null });
    }
    const answer = await this._questions.ask('start', { what, report: report.id });
    if (answer?.kind === 'ok') {
      this._pursuit.take(answer.data);
      this._pursuit.follow();
    }
  }

  private take(work: Work | null, log: string): void {
    if (this._state.face === 'ready') {
      this.set({ ...this._state, work, log });
      void this.showQuestion();
    }
  }

  /** Shows what is asked about, however that has come to be known here. */
  private async showQuestion(): Promise<void> {
    const question = questionOf(this._state);
    if (question) {
      await this.showReport(question);
    }
  }

  /** Shows what came of it: the environment as it is now, or what a preview has found. */
  private async conclude(work: Work | null): Promise<void> {
    if (work?.what === 'preview' && work.report) {
      await this._questions.ask('dismiss', { work: work.id });
      await this.showReport(work.report);
    } else {
      await this.look();
    }
  }

  private async showReport(id: string): Promise<void> {
    const turn = ++this._turn;
    const answer = await this._questions.ask('report', { report: id });
    const rows = answer?.kind === 'ok' && (await this._questions.rows(answer.data.report, answer.data.rest));
    if (answer?.kind !== 'ok' || !rows || turn !== this._turn || this._state.face !== 'ready') {
      return;
    }
    const { work } = this._state;
    const { report } = answer.data;
    this.set({ ...this._state, report, rows, work: isAtWork(work) ? work : null, refreshing: false });
    if (!report.accelerator) {
      void this.askForGpus(report.id);
    }
  }

  private tell(wrote: Requests['freeze']): void {
    if (this._state.face === 'ready') {
      this.set({ ...this._state, notice: { wrote, error: false } });
    }
  }

  private set(state: State): void {
    this._state = state;
    this._changed.emit();
  }

  private _state: State = { face: 'no-document' };
  private _changed = new Signal<this, void>(this);
  private readonly _session: KernelSession;
  private readonly _questions: Questions;
  private readonly _pursuit: Pursuit;
  /** The lock of each document that was compared, by its path. */
  private readonly _locks = new Map<string, string>();
  /** The lock that was asked for while there was no line; empty: none was. */
  private _wanted = '';
  /** Counts the comparisons: what comes of an older one is of no use. */
  private _turn = 0;
}
