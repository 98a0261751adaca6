/** What the kernel is asked: counted while it waits, told why there is no answer, pages joined. */

import { Answer } from './answer.js';
import { KernelSession } from './session.js';
import { Accelerator, Change, Report, Requests } from './wire.js';

/** How often the kernel is asked for the driver's word: it waits 2 s each time, the driver has 10. */
const PATIENCE = 10;

export interface Asking {
  /** Takes why there is no answer. */
  blame: (answer: Answer<unknown>) => void;
  /** Takes that one question more, or less, waits. */
  stir: () => void;
}

/** Asks the kernel that is followed; where that is another one meanwhile, there is no answer. */
export class Questions {
  constructor(
    private readonly session: KernelSession,
    private readonly asking: Asking
  ) {}

  /** Whether an answer is waited for that comes with the end of a running cell. */
  get wait(): boolean {
    return this._pending > 0 && this.session.mustWait;
  }

  /** Has it told why there is no answer, where there is none. */
  blame(answer: Answer<unknown>): void {
    this.asking.blame(answer);
  }

  /** Asks, and has it told why there is no answer, where there is none. */
  async ask<M extends keyof Requests>(
    method: M,
    args: object = {}
  ): Promise<Answer<Requests[M]> | undefined> {
    const answer = await this.request(method, args);
    if (answer) {
      this.blame(answer);
    }
    return answer;
  }

  /** Asks; what comes of it is for the one who asks to tell. */
  async request<M extends keyof Requests>(
    method: M,
    args: object
  ): Promise<Answer<Requests[M]> | undefined> {
    this._pending++;
    this.asking.stir();
    const answer = await this.session.ask(method, args);
    this._pending--;
    this.asking.stir();
    return answer;
  }

  /** Returns all rows of a report, page by page; null: there is no answer any more. */
  async rows(report: Report, rest: number): Promise<Change[] | null> {
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

  /** Returns what the driver says, which may take it a moment; null: nothing that is wanted. */
  async accelerator(report: string, isWanted: () => boolean): Promise<Accelerator | null> {
    for (let asked = 0; asked < PATIENCE && isWanted(); asked++) {
      const answer = await this.ask('gpus', { report });
      if (answer?.kind !== 'ok' || answer.data.accelerator) {
        return answer?.kind === 'ok' ? answer.data.accelerator : null;
      }
    }
    return null;
  }

  /** How many answers are waited for. */
  private _pending = 0;
}
