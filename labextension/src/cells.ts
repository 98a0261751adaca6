/** What others do with a kernel, as its messages tell: whether a cell runs, and when one ends. */

import type { Kernel, KernelMessage } from '@jupyterlab/services';
import { ISignal, Signal } from '@lumino/signaling';

/** How long after the end of a cell its effects are looked for, in ms. */
const SETTLE = 300;

/**
 * Hears what goes on in a kernel, apart from what we ask it ourselves.
 *
 * The status of a kernel is busy for our own questions, too; whose it is says the parent of the
 * message.
 */
export class Cells {
  constructor(
    private readonly kernel: Kernel.IKernelConnection,
    private readonly ourselves: string
  ) {
    this._run = kernel.status === 'busy';
    kernel.anyMessage.connect(this.onMessage, this);
  }

  /** Hears no more. */
  dispose(): void {
    window.clearTimeout(this._settling);
    this.kernel.anyMessage.disconnect(this.onMessage, this);
    Signal.clearData(this);
  }

  /** Whether somebody else's code runs. */
  get run(): boolean {
    return this._run;
  }

  /** Emitted where that has become another. */
  get changed(): ISignal<this, void> {
    return this._changed;
  }

  /** Emitted a moment after a cell has ended. */
  get ended(): ISignal<this, void> {
    return this._ended;
  }

  private onMessage(_: unknown, { msg, direction }: Kernel.IAnyMessageArgs): void {
    const parent = msg.parent_header as Partial<KernelMessage.IHeader>;
    if (direction !== 'recv' || parent.session === this.ourselves) {
      return;
    }
    const type: KernelMessage.MessageType = msg.header.msg_type;
    if (type === 'status') {
      this.take((msg as KernelMessage.IStatusMsg).content.execution_state === 'busy');
    } else if (type === 'execute_reply') {
      window.clearTimeout(this._settling);
      this._settling = window.setTimeout(() => this._ended.emit(), SETTLE);
    }
  }

  private take(run: boolean): void {
    if (run !== this._run) {
      this._run = run;
      this._changed.emit();
    }
  }

  private _run: boolean;
  private _settling = 0;
  private _changed = new Signal<this, void>(this);
  private _ended = new Signal<this, void>(this);
}
