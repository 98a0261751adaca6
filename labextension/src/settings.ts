/** What a user has set, as it is now. */

import type { ISettingRegistry } from '@jupyterlab/settingregistry';
import { ISignal, Signal } from '@lumino/signaling';

import type { Preferences } from './model.js';

/** The settings of `schema/plugin.json`, with its defaults until they are loaded. */
export class Settings implements Preferences {
  constructor(registry: ISettingRegistry | null, id: string) {
    registry?.load(id).then(
      settings => {
        this.take(settings);
        settings.changed.connect(this.take, this);
      },
      reason => console.warn(`the settings of ${id} cannot be read`, reason)
    );
  }

  get changed(): ISignal<this, void> {
    return this._changed;
  }

  /** The lock of every notebook; empty: the one in its folder. */
  lock = '';
  /** Options of `%envsync` for every comparison. */
  options = '';
  /** How long the environment is watched: for the badge too, for the panel alone, not at all. */
  watch: 'badge' | 'panel' | 'off' = 'badge';
  statusBar = true;

  private take(settings: ISettingRegistry.ISettings): void {
    const { lock, options, watch, statusBar } = settings.composite as unknown as Settings;
    Object.assign(this, { lock, options, watch, statusBar });
    this._changed.emit();
  }

  private _changed = new Signal<this, void>(this);
}
