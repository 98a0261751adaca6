/** The one state that all views show, and the signal that it is another. */

import { ISignal, Signal } from '@lumino/signaling';

import { Ready, State } from './state.js';

export class Store {
  get state(): State {
    return this._state;
  }

  /** Emitted where there is something else to show. */
  get changed(): ISignal<this, void> {
    return this._changed;
  }

  /** Shows another state. */
  set(state: State): void {
    this._state = state;
    this.tell();
  }

  /** Changes something about the comparison that is shown; where none is, there is nothing to change. */
  amend(change: Partial<Omit<Ready, 'face'>>): void {
    if (this._state.face === 'ready') {
      this.set({ ...this._state, ...change });
    }
  }

  /** Has the views look again: how the state is to be seen may be another. */
  tell(): void {
    this._changed.emit();
  }

  private _state: State = { face: 'no-document' };
  private _changed = new Signal<this, void>(this);
}
