/** The long work of the kernel: begun, followed, stopped, and what came of it shown. */

import { Comparison } from './comparison.js';
import { Pursuit } from './pursuit.js';
import { Questions } from './questions.js';
import { isAtWork } from './state.js';
import { Store } from './store.js';
import { Change, Report, Work } from './wire.js';

/** Does one piece of work after another: the kernel refuses a second one at once. */
export class Workbench {
  constructor(
    private readonly store: Store,
    private readonly questions: Questions,
    private readonly comparison: Comparison
  ) {
    this._pursuit = new Pursuit({
      ask: log => questions.request('work', { log }),
      blame: answer => questions.blame(answer),
      tell: (work, log) => this.tell(work, log),
      end: work => void this.conclude(work)
    });
    comparison.shown.connect(() => {
      if (this.work) {
        this.follow();
      }
    });
  }

  /** What is at work, as far as that is shown; null: nothing is, or it has ended. */
  get work(): Work | null {
    const { state } = this.store;
    return state.face === 'ready' && isAtWork(state.work) ? state.work : null;
  }

  /** Follows what is at work, if it was given up. */
  follow(): void {
    this._pursuit.follow();
  }

  /** Follows it no longer. */
  leave(): void {
    this._pursuit.stop();
  }

  /** Fetches what would be installed, to know what it requires; changes nothing. */
  async preview(): Promise<void> {
    const { state } = this.store;
    if (state.face === 'ready' && state.report) {
      await this.start('preview', state.report);
    }
  }

  /** Makes the environment equal to the lock, as this report says. */
  apply(report: Report): Promise<void> {
    return this.start('sync', report);
  }

  /** Returns what an undo would do; null: it cannot be done, or another kernel is followed now. */
  async lookBack(): Promise<{ report: Report; rows: Change[] } | null> {
    const answer = await this.questions.ask('look_back');
    if (answer?.kind !== 'ok') {
      return null;
    }
    const { report, rest } = answer.data;
    const rows = await this.questions.rows(report, rest);
    return rows && { report, rows };
  }

  /** Puts back what the last change did, as its report says. */
  undo(report: Report): Promise<void> {
    return this.start('undo', report);
  }

  /** Stops what is at work; what was changed is put back. */
  async cancel(): Promise<void> {
    if ((await this.questions.ask('cancel', { work: this.id }))?.kind === 'ok') {
      await this._pursuit.ask();
    }
  }

  /** Goes on with what this report asks about, although it is more than was shown at first. */
  async agree(report: Report): Promise<void> {
    if (await this.questions.ask('agree', { work: this.id, report: report.id })) {
      await this._pursuit.ask();
    }
  }

  /** Takes note of how something has ended, work or some of the news, and compares again. */
  async dismiss(news?: readonly string[]): Promise<void> {
    const work = this.id;
    if (news) {
      await this.questions.ask('dismiss', { news });
    } else if (work) {
      this.store.amend({ work: null, log: '', notice: null });
      await this.questions.ask('dismiss', { work });
    }
    await this.comparison.look();
  }

  /** The name of the work that is shown, be it at work or ended. */
  private get id(): string | undefined {
    const { state } = this.store;
    return state.face === 'ready' ? state.work?.id : undefined;
  }

  private async start(what: string, report: Report): Promise<void> {
    this.store.amend({ log: '', notice: null });
    const answer = await this.questions.ask('start', { what, report: report.id });
    if (answer?.kind === 'ok') {
      this._pursuit.take(answer.data);
      this._pursuit.follow();
    }
  }

  private tell(work: Work | null, log: string): void {
    this.store.amend({ work, log });
    void this.comparison.showQuestion();
  }

  /** Shows what came of it: the environment as it is now, or what a preview has found. */
  private async conclude(work: Work | null): Promise<void> {
    if (work?.what === 'preview' && work.report) {
      if (await this.questions.ask('dismiss', { work: work.id })) {
        await this.comparison.showReport(work.report);
      }
    } else {
      await this.comparison.look();
    }
  }

  private readonly _pursuit: Pursuit;
}
