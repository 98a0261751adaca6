/** The item of the status bar: the badge in words. */

import type { TranslationBundle } from '@jupyterlab/translation';
import { ReactWidget } from '@jupyterlab/ui-components';
import { Signal } from '@lumino/signaling';
import * as React from 'react';

import { Model } from './model.js';
import { badgeWords } from './text.js';

export class EnvironmentStatus extends ReactWidget {
  constructor(
    private readonly model: Model,
    private readonly open: () => void,
    private readonly trans: TranslationBundle
  ) {
    super();
    this.addClass('jp-EnvMagic-status');
    model.changed.connect(this.update, this);
  }

  dispose(): void {
    Signal.clearData(this);
    super.dispose();
  }

  protected render(): JSX.Element | null {
    const { badge } = this.model;
    const words = badgeWords(badge, this.trans);
    return words ? (
      <button
        type="button"
        data-kind={badge.kind}
        title={this.trans.__('Open the environment panel')}
        onClick={this.open}
      >
        {words}
      </button>
    ) : null;
  }
}
