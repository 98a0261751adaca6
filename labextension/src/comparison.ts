/** The comparison that is shown: asked for, page by page, and with what the driver says. */

import { ISignal, Signal } from '@lumino/signaling';

import { Questions } from './questions.js';
import { KernelSession } from './session.js';
import { Blank, isAtWork, isLacking, questionOf } from './state.js';
import { Store } from './store.js';
import { Look, Report } from './wire.js';

/** What a user has set. */
export interface Preferences {
  /** The lock of every notebook that has none chosen; empty: the one in its folder. */
  lock: string;
  /** Options of `%envsync` for every comparison. */
  options: string;
}

/** Compares with one lock after another; of several at once, the last one is shown. */
export class Comparison {
  constructor(
    private readonly store: Store,
    private readonly session: KernelSession,
    private readonly questions: Questions,
    private readonly preferences: Preferences
  ) {}

  /** Emitted where a new one is shown. */
  get shown(): ISignal<this, void> {
    return this._shown;
  }

  /** Which of them it is: what was asked for by an older one is of no use. */
  get turn(): number {
    return this._turn;
  }

  /** Lets go of what is being asked for. */
  drop(): void {
    this._turn++;
  }

  /** Lets go of the lock that was wanted: the document is another. */
  forget(): void {
    this._wanted = '';
  }

  /** What there is to say while the kernel is asked: one that was silent is so until it answers. */
  waiting(): Blank {
    if (this.session.mustWait) {
      return { face: 'busy' };
    }
    return this.session.isSilent ? { face: 'silent', again: true } : { face: 'asking' };
  }

  /** Compares with a lock; without one, with the kernel's last, which a cell may have chosen. */
  async look(lock = ''): Promise<void> {
    this._wanted = lock || this._wanted;
    if (!this.session.isOpen) {
      return; // it compares as soon as there is a line
    }
    if (this.store.state.face === 'ready') {
      this.store.amend({ refreshing: true });
    } else if (!isLacking(this.store.state)) {
      this.store.set(this.waiting());
    }
    const turn = ++this._turn;
    const { options } = this.preferences;
    // A kernel that is new knows of none.
    const preferred = this._locks.get(this.path) ?? this.preferences.lock;
    const answer = await this.questions.ask('look', { lock: this._wanted, preferred, options });
    if (answer?.kind === 'ok' && turn === this._turn) {
      this._wanted = '';
      await this.show(answer.data, turn);
    }
  }

  /** Shows another report in the place of this one: what a preview has found, or what is asked about. */
  async showReport(id: string): Promise<void> {
    if (this.store.state.face !== 'ready') {
      return;
    }
    const turn = ++this._turn;
    const answer = await this.questions.ask('report', { report: id });
    if (answer?.kind !== 'ok') {
      return;
    }
    const { report, rest } = answer.data;
    const rows = await this.questions.rows(report, rest);
    const { state } = this.store;
    if (!rows || turn !== this._turn || state.face !== 'ready') {
      return;
    }
    const work = isAtWork(state.work) ? state.work : null;
    this.store.amend({ report, rows, work, refreshing: false });
    void this.completeReport(report);
  }

  /** Shows what is asked about, however that has come to be known here. */
  async showQuestion(): Promise<void> {
    const question = questionOf(this.store.state);
    if (question) {
      await this.showReport(question);
    }
  }

  private get path(): string {
    return this.session.document?.path ?? '';
  }

  private async show(look: Look, turn: number): Promise<void> {
    const rows = look.report ? await this.questions.rows(look.report, look.rest) : [];
    if (!rows || turn !== this._turn) {
      return;
    }
    if (this.path && look.lock) {
      this._locks.set(this.path, look.lock);
    }
    const { state } = this.store;
    const before = state.face === 'ready' ? state : null;
    const isStale = before?.look.stamp !== look.stamp && !before?.notice?.error;
    const isSame = look.work !== null && look.work.id === before?.work?.id;
    this.store.set({
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
    this._shown.emit();
    await this.showQuestion();
    if (look.report) {
      void this.completeReport(look.report);
    }
  }

  /** Fills in what the driver says, where that has taken it too long for the report. */
  private async completeReport({ id, accelerator: known }: Report): Promise<void> {
    if (known) {
      return;
    }
    const shown = () => {
      const { state } = this.store;
      return state.face === 'ready' && state.report?.id === id ? state.report : null;
    };
    const accelerator = await this.questions.accelerator(id, () => shown() !== null);
    const report = shown();
    if (accelerator && report) {
      this.store.amend({ report: { ...report, accelerator } });
    }
  }

  private _shown = new Signal<this, void>(this);
  /** The lock of each document that was compared, by its path. */
  private readonly _locks = new Map<string, string>();
  /** The lock that was asked for, and was not compared yet; empty: none was. */
  private _wanted = '';
  private _turn = 0;
}
