/** What is at work, asked after until it has ended: its state, and what its tools say. */

import { Answer } from './answer.js';
import { isAtWork } from './state.js';
import { Watched, Work } from './wire.js';

/** How often work is asked after, in ms. */
const POLL = 500;
/** The same, where it waits for its user, or nobody sees it. */
const SLOW = 3_000;
/** The same, after no answer. */
const RETRY = 5_000;

export interface Pursued {
  /** Asks the kernel, for what the tools have said since a byte; undefined: of no use any more. */
  ask: (log: number) => Promise<Answer<Watched> | undefined>;
  /** Takes why there is no answer; a kernel that is silent, or refuses, is asked again. */
  blame: (answer: Answer<never>) => void;
  /** Takes what is known of it now. */
  tell: (work: Work | null, log: string) => void;
  /** Takes that it has ended, and that all is told. */
  end: (work: Work | null) => void;
}

/** Follows one piece of work after another; each has a log of its own. */
export class Pursuit {
  constructor(private readonly pursued: Pursued) {}

  /** Begins to ask, or goes on with it. */
  follow(): void {
    if (!this._timer && !this._asking) {
      this.wait(POLL);
    }
  }

  /** Asks no longer; what was said is forgotten. */
  stop(): void {
    window.clearTimeout(this._timer);
    this._timer = 0;
    this._turn++;
    this._asking = 0;
    this._blamed = false;
    this._id = '';
    this._end = 0;
  }

  /** Takes an answer that tells of work, asked for from the byte where the log ended. */
  take({ work, log, log_end }: Watched): void {
    this.begin(work);
    this._log += log;
    this._end = log_end;
    this.pursued.tell(work, this._log);
  }

  /** Asks now. */
  async ask(): Promise<void> {
    window.clearTimeout(this._timer);
    this._timer = 0;
    const turn = ++this._turn;
    this._asking = turn;
    const answer = await this.pursued.ask(this._end);
    if (turn !== this._turn) {
      return;
    }
    this._asking = 0;
    if (!answer) {
      return;
    }
    if (answer.kind !== 'ok') {
      if (answer.kind !== 'silent' && !(this._blamed && answer.kind === 'refused')) {
        this.pursued.blame(answer);
        this._blamed = true;
      }
      if (answer.kind === 'silent' || answer.kind === 'refused') {
        this.wait(RETRY); // what is at work goes on
      }
      return;
    }
    this._blamed = false;
    const { work, log } = answer.data;
    if (this.begin(work)) {
      await this.ask(); // what it said was counted from the end of another log
      return;
    }
    this.take(answer.data);
    if (isAtWork(work)) {
      this.wait(work?.state === 'asking' || document.hidden ? SLOW : POLL);
    } else if (log) {
      await this.ask(); // the log comes in pieces
    } else {
      this.pursued.end(work);
    }
  }

  /** Turns to a piece of work; true: what was asked of it was for the end of another log. */
  private begin(work: Work | null): boolean {
    if (!work || work.id === this._id) {
      return false;
    }
    const wasOther = this._end > 0;
    this._id = work.id;
    this._log = '';
    this._end = 0;
    return wasOther;
  }

  private wait(delay: number): void {
    window.clearTimeout(this._timer);
    this._timer = window.setTimeout(() => void this.ask(), delay);
  }

  private _timer = 0;
  /** Counts the questions: the answer to an older one is of no use. */
  private _turn = 0;
  /** The question that waits for its answer; 0: none does. */
  private _asking = 0;
  /** Whether it was told why there is no answer, since the last one. */
  private _blamed = false;
  private _id = '';
  private _log = '';
  /** The byte up to which the log is known. */
  private _end = 0;
}
