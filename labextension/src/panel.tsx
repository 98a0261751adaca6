/** The sidebar's widget: shows the state of the model, and wears its badge. */

import type { TranslationBundle } from '@jupyterlab/translation';
import { ReactWidget } from '@jupyterlab/ui-components';
import { Message } from '@lumino/messaging';
import { ISignal, Signal } from '@lumino/signaling';
import * as React from 'react';

import type { Actions } from './actions.js';
import { environmentIcon } from './icons.js';
import { Model } from './model.js';
import { badgeWords } from './text.js';
import { PanelView } from './view.js';

export class EnvironmentPanel extends ReactWidget {
  constructor(
    private readonly model: Model,
    private readonly actions: Actions,
    private readonly trans: TranslationBundle
  ) {
    super();
    this.id = 'envmagic-panel';
    this.addClass('jp-EnvMagic');
    this.title.icon = environmentIcon;
    this.title.caption = trans.__('Environment');
    this.node.tabIndex = -1;
    this.node.setAttribute('role', 'region');
    this.node.setAttribute('aria-label', trans.__('Environment'));
    model.changed.connect(this.onChange, this);
  }

  /** Whether it was in view at any time: before, nothing is asked of any kernel. */
  get wasShown(): boolean {
    return this._wasShown;
  }

  /** Emitted when it comes into view. */
  get shown(): ISignal<this, void> {
    return this._shown;
  }

  dispose(): void {
    Signal.clearData(this);
    super.dispose();
  }

  /** Takes the keyboard where the panel is opened by a command. */
  protected onActivateRequest(message: Message): void {
    super.onActivateRequest(message);
    // The palette gives the keyboard back first to what had it before.
    window.setTimeout(() => this.node.focus(), 100);
  }

  protected onAfterShow(message: Message): void {
    super.onAfterShow(message);
    this._wasShown = true;
    this._shown.emit();
    this.model.tellAgain();
  }

  protected onAfterHide(message: Message): void {
    super.onAfterHide(message);
    this.model.tellAgain();
  }

  protected render(): JSX.Element {
    const { model, actions, trans, node: root } = this;
    return <PanelView {...{ root, state: model.state, actions, trans }} />;
  }

  private onChange(): void {
    const { badge } = this.model;
    const words = badgeWords(badge, this.trans);
    this.title.caption = words || this.trans.__('Environment');
    this.title.className = badge.kind === 'none' ? '' : `jp-EnvMagic-tab jp-mod-${badge.kind}`;
    const count = String(Math.min(badge.count, 999));
    this.title.dataset = { ...this.title.dataset, 'envmagic-count': count };
    this.update();
  }

  private _wasShown = false;
  private _shown = new Signal<this, void>(this);
}
