/** What is known of the current document's environment: one state, and what keeps it true. */

import { ISignal, Signal } from '@lumino/signaling';

import { Answer } from './answer.js';
import { Comparison, Preferences } from './comparison.js';
import { Questions } from './questions.js';
import { Document, KernelSession } from './session.js';
import { Badge, badgeOf, Blank, isAtWork, isLacking, NO_BADGE, State, withFailure } from './state.js';
import { Store } from './store.js';
import { Requirers } from './wire.js';
import { Workbench } from './workbench.js';

/** Follows the kernel of one document after another; it is asked for everything. */
export class Model {
  constructor(
    private readonly version: string,
    preferences: Preferences,
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
    this._comparison = new Comparison(this._store, this._session, this._questions, preferences);
    this.workbench = new Workbench(this._store, this._questions, this._comparison);
  }

  /** Takes the line to the kernel away. */
  dispose(): void {
    this.workbench.leave();
    this._session.dispose();
    Signal.clearData(this._store);
  }

  get state(): State {
    return this._store.state;
  }

  /** What there is to say in one word: nothing of what nobody watches, it may be out of date. */
  get badge(): Badge {
    return this.isWatched() ? badgeOf(this.state) : NO_BADGE;
  }

  get changed(): ISignal<Store, void> {
    return this._store.changed;
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
      this._comparison.forget();
    }
    this._session.follow(document);
  }

  /** Tells again what there is: whether it is watched may be another. */
  tellAgain(): void {
    this._store.tell();
  }

  /** Opens a new line to the kernel, and compares. */
  open(): Promise<void> {
    return this._session.open();
  }

  /** Compares with a lock; without one, with the kernel's last, which a cell may have chosen. */
  look(lock = ''): Promise<void> {
    return this._comparison.look(lock);
  }

  /** Compares anew where a comparison is shown: the preferences are others. */
  async refresh(): Promise<void> {
    if (this.state.face === 'ready' && !this.workbench.work) {
      await this.look();
    }
  }

  /** Compares again, if something has changed since; cheap where nothing has. */
  async check(): Promise<void> {
    const { state } = this;
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
    if (this._session.mustWait) {
      return;
    }
    if (isLacking(state) && !state.installing) {
      await this.look(); // a cell may have installed it
    } else if (this.workbench.work) {
      this.workbench.follow(); // it may have been given up
    } else if (state.face === 'ready' && !state.refreshing) {
      await this.compareStamps(state.look.lock);
    }
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
      const isFirst = this.state.face === 'ready' && !this.state.look.lock;
      await this.look(isFirst ? file : undefined);
      this._store.amend({ notice: { wrote: answer.data, error: false } });
    }
    return true;
  }

  /** Returns what requires a project; null: the kernel cannot say it any more. */
  async explain(name: string): Promise<Requirers | null> {
    const report = this.state.face === 'ready' ? this.state.report : null;
    const answer = report && (await this._questions.ask('explain', { report: report.id, name }));
    return answer?.kind === 'ok' ? answer.data : null;
  }

  /** Installs envmagic into the kernel's environment. */
  async install(): Promise<void> {
    const { state } = this;
    if (!isLacking(state)) {
      return;
    }
    this._store.set({ ...state, installing: true, problem: '' });
    const problem = await this._session.install(this.version);
    if (problem === undefined) {
      return;
    }
    if (typeof problem !== 'string') {
      this.blame(problem);
    } else if (problem) {
      this._store.set({ ...state, installing: false, problem });
    } else {
      await this.look();
    }
  }

  /** Takes away what was said once. */
  hush(): void {
    this._store.amend({ notice: null });
  }

  /** Shows why nothing can be compared; what was at work is no longer watched from here. */
  private blank(blank: Blank): void {
    this.workbench.leave();
    this._comparison.drop();
    this._store.set(blank);
  }

  /** The kernel has become busy, or idle. */
  private stir(): void {
    const { state } = this;
    const isAgain = state.face === 'silent' && state.again;
    const isAsked = isAgain || state.face === 'asking' || state.face === 'busy';
    if (state.face === 'silent' && !isAgain && !this._session.isBusy) {
      void this.check();
    } else if (isAsked && this._session.isOpen) {
      this._store.set(this._comparison.waiting());
    } else {
      this.tellWait();
    }
  }

  /** Says where an answer waits for the end of a cell. */
  private tellWait(): void {
    const { wait: waits } = this._questions;
    if (this.state.face === 'ready' && this.state.waits !== waits) {
      this._store.amend({ waits });
    }
  }

  /** Shows why there is no answer. */
  private blame(answer: Answer<unknown>): void {
    const state = withFailure(this.state, answer);
    if (state !== this.state) {
      this._store.set(state);
    }
  }

  /** Asks what stands for all that a comparison looks at, and compares where that is another. */
  private async compareStamps(lock: string): Promise<void> {
    const { turn } = this._comparison;
    const answer = await this._questions.ask('stamp', { lock });
    const now = this.state;
    const isLate = turn !== this._comparison.turn || this.workbench.work !== null;
    if (answer?.kind !== 'ok' || now.face !== 'ready' || isLate) {
      return;
    }
    if (isAtWork(answer.data.work)) {
      this._store.amend({ work: answer.data.work });
      this.workbench.follow();
    } else if (answer.data.stamp !== now.look.stamp) {
      await this.look();
    }
  }

  /** What a user can have the kernel work at. */
  readonly workbench: Workbench;
  private readonly _store = new Store();
  private readonly _session: KernelSession;
  private readonly _questions: Questions;
  private readonly _comparison: Comparison;
}
