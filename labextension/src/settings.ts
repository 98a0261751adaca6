/** What a user has set, as it is now. */

import type { ISettingRegistry } from '@jupyterlab/settingregistry';
import { ISignal, Signal } from '@lumino/signaling';

import type { Preferences } from './comparison.js';

/** The settings of `schema/plugin.json`, with its defaults until they are loaded. */
export class Settings implements Preferences {
  constructor(registry: ISettingRegistry | null, id: string) {
    this.loaded = this.load(registry, id);
  }

  /** Resolved when they are known, or cannot be. */
  readonly loaded: Promise<void>;

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

  private async load(registry: ISettingRegistry | null, id: string): Promise<void> {
    try {
      const settings = await registry?.load(id);
      if (settings) {
        this.take(settings);
        settings.changed.connect(this.take, this);
      }
    } catch (reason) {
      console.warn(`the settings of ${id} cannot be read`, reason);
    }
  }

  private take(settings: ISettingRegistry.ISettings): void {
    const { lock, options, watch, statusBar } = settings.composite as unknown as Settings;
    Object.assign(this, { lock, options, watch, statusBar });
    this._changed.emit();
  }

  private _changed = new Signal<this, void>(this);
}
