/** The kernel of a document, through changes and restarts: the line to it, or why there is none. */

import type { ISessionContext } from '@jupyterlab/apputils';
import type { Kernel } from '@jupyterlab/services';
import { ISignal, Signal } from '@lumino/signaling';

import { Answer } from './answer.js';
import { Failure, Line } from './kernel.js';
import { Blank } from './state.js';
import { Requests } from './wire.js';

/** What tells that a kernel has ended by itself, and what that there is one again. */
const FALLEN = new Set<Kernel.Status | undefined>(['autorestarting', 'dead']);
const ALIVE = new Set<Kernel.Status | undefined>(['idle', 'busy']);

/** A notebook or a console: what has a kernel. */
export interface Document {
  /** Its path in the server's view of the files. */
  path: string;
  sessionContext: ISessionContext;
}

/**
 * Follows one document after another, and its kernel.
 *
 * No line is opened before `isWanted`: while nobody sees the panel or its badge.
 */
export class KernelSession {
  constructor(private readonly isWanted: () => boolean) {}

  get document(): Document | null {
    return this._document;
  }

  /** Whether there is a line to its kernel that can be used: that is one of Python, and speaks. */
  get isOpen(): boolean {
    return this._isOpen;
  }

  /** Emitted where there is no line, with what there is to say. */
  get blanked(): ISignal<this, Blank> {
    return this._blanked;
  }

  /** Emitted where there is a new line, to a kernel of Python. */
  get opened(): ISignal<this, void> {
    return this._opened;
  }

  /** Emitted a moment after a cell has ended. */
  get ranCell(): ISignal<this, void> {
    return this._ranCell;
  }

  /** Emitted where the kernel, or a cell in it, has begun to work, or has ended. */
  get stirred(): ISignal<this, void> {
    return this._stirred;
  }

  /** Whether an answer has to wait for the cell that is running. */
  get mustWait(): boolean {
    return this._line?.mustWait ?? false;
  }

  /** Whether the kernel is at work, for whomever. */
  get isBusy(): boolean {
    return this.kernel?.status === 'busy';
  }

  /** Whether the kernel has left the last question without an answer: it may have been stopped. */
  get isSilent(): boolean {
    return this._silent !== null && this._silent === this.kernel;
  }

  private get kernel(): Kernel.IKernelConnection | null {
    return this._document?.sessionContext.session?.kernel ?? null;
  }

  /** Follows another document, or none. */
  follow(document: Document | null): void {
    const before = this._document?.sessionContext;
    const context = document?.sessionContext;
    if (context === before) {
      return;
    }
    if (before) {
      before.kernelChanged.disconnect(this.reconnect, this);
      before.statusChanged.disconnect(this.onStatus, this);
      before.connectionStatusChanged.disconnect(this.onStatus, this);
      before.disposed.disconnect(this.onDisposed, this);
    }
    this._document = document;
    this._hasFallen = false;
    if (context) {
      context.kernelChanged.connect(this.reconnect, this);
      context.statusChanged.connect(this.onStatus, this);
      context.connectionStatusChanged.connect(this.onStatus, this);
      context.disposed.connect(this.onDisposed, this);
    }
    this.reconnect();
  }

  /** Opens a line where there is none, and none is being opened. */
  async ensure(): Promise<void> {
    if (!this._line) {
      await this.open();
    }
  }

  /** Opens a line, if there is a kernel to speak to; anew where there is one already. */
  async open(): Promise<void> {
    this.close();
    const blank = this.findBlank();
    const kernel = this.kernel;
    if (blank || !kernel) {
      this._blanked.emit(blank ?? { face: 'no-kernel' });
      return;
    }
    if (!this.isWanted()) {
      this._blanked.emit({ face: 'asking' });
      return;
    }
    this._line = new Line(kernel);
    this._line.cells.changed.connect(this.onCell, this);
    this._line.cells.ended.connect(this.onCellEnd, this);
    this._blanked.emit(
      this.isSilent
        ? { face: 'silent', again: true }
        : { face: kernel.status === 'unknown' ? 'starting' : 'asking' }
    );
    const number = this._number;
    const language = await this._line.open();
    if (number !== this._number) {
      return;
    }
    if (language === null) {
      this._silent = kernel;
      this._blanked.emit({ face: 'silent', again: false });
    } else if (language !== 'python') {
      this._blanked.emit({ face: 'not-python', language });
    } else {
      this._isOpen = true;
      this._opened.emit();
    }
  }

  /** Closes the line: the page goes away. */
  dispose(): void {
    this.follow(null);
    this.close();
  }

  /** Asks the kernel; undefined: another one is followed now, and the answer is of no use. */
  async ask<M extends keyof Requests>(
    method: M,
    args: object = {}
  ): Promise<Answer<Requests[M]> | undefined> {
    const answer = await this.whileFollowed(line => line.ask(method, args));
    if (answer) {
      this._silent = answer.kind === 'silent' ? this.kernel : null;
    }
    return answer;
  }

  /** Installs a version of envmagic there; undefined: another kernel is followed now. */
  async install(version: string): Promise<string | Failure | undefined> {
    return this.whileFollowed(line => line.install(version));
  }

  private async whileFollowed<T>(ask: (line: Line) => Promise<T>): Promise<T | undefined> {
    const number = this._number;
    const answer = this._isOpen && this._line ? await ask(this._line) : null;
    return answer !== null && number === this._number ? answer : undefined;
  }

  private reconnect(): void {
    void this.open();
  }

  private onDisposed(): void {
    this.follow(null);
  }

  /** Waits for a kernel that starts, and begins anew when it is there. */
  private onStatus(): void {
    const status = this.kernel?.status;
    this._hasFallen = FALLEN.has(status) || (this._hasFallen && !ALIVE.has(status));
    const blank = this.findBlank();
    if (blank) {
      this.close();
      this._silent = null; // what comes now is another one
      this._blanked.emit(blank);
    } else {
      const isBack = this.kernel?.connectionStatus === 'connected';
      void (isBack && this._line?.isLost ? this.open() : this.ensure());
      this._stirred.emit();
    }
  }

  /** Returns what there is to say where there is no kernel to ask; null: there is one. */
  private findBlank(): Blank | null {
    const context = this._document?.sessionContext;
    if (!context || context.isDisposed) {
      return { face: 'no-document' };
    }
    const kernel = context.session?.kernel;
    if (!kernel && this._hasFallen) {
      return { face: 'died' }; // the server has tried some times, and given up
    }
    if (!kernel) {
      // Once it was shut down, a context is not ready again before it has another kernel.
      const isWithout = context.isReady || context.hasNoKernel;
      return { face: isWithout && !context.isRestarting ? 'no-kernel' : 'starting' };
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

  private onCell(): void {
    this._stirred.emit();
  }

  private onCellEnd(): void {
    this._ranCell.emit(); // it may have installed something
  }

  private close(): void {
    this._number++;
    this._isOpen = false;
    this._line?.dispose();
    this._line = null;
  }

  private _document: Document | null = null;
  private _line: Line | null = null;
  /** Counts the lines: what an older one answers is of no use. */
  private _number = 0;
  /** Whether the line leads to a Python that answers. */
  private _isOpen = false;
  /** Whether the kernel has ended by itself, and was not seen alive since. */
  private _hasFallen = false;
  /** The kernel that has not answered. */
  private _silent: Kernel.IKernelConnection | null = null;
  private _blanked = new Signal<this, Blank>(this);
  private _opened = new Signal<this, void>(this);
  private _ranCell = new Signal<this, void>(this);
  private _stirred = new Signal<this, void>(this);
}
