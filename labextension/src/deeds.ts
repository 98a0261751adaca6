/** What a user can do, done: with the questions before it, by the model or by JupyterLab. */

import type { JupyterFrontEnd } from '@jupyterlab/application';
import type { ISessionContextDialogs } from '@jupyterlab/apputils';
import { PathExt } from '@jupyterlab/coreutils';
import type { FileEditor } from '@jupyterlab/fileeditor';
import type { Contents } from '@jupyterlab/services';
import type { TranslationBundle } from '@jupyterlab/translation';

import type { Actions } from './actions.js';
import * as dialogs from './dialogs.js';
import { Model } from './model.js';
import { Report } from './wire.js';

/** What is proposed where there is no lock yet, and where there is one that is to stay. */
const LOCK = 'first_env.txt';
const FROZEN = 'frozen_env.txt';

/** Carries out what the views ask for. */
export class Deeds implements Actions {
  constructor(
    private readonly app: JupyterFrontEnd,
    private readonly model: Model,
    private readonly sessions: ISessionContextDialogs,
    private readonly version: string,
    private readonly trans: TranslationBundle
  ) {}

  retry = (): void => void this.model.open();
  refresh = (): void => void this.model.look();
  chooseLock = (path: string): void => void this.model.look(path);
  preview = (): void => void this.model.workbench.preview();
  cancel = (): void => void this.model.workbench.cancel();
  dismiss: Actions['dismiss'] = news => void this.model.workbench.dismiss(news);
  hush = (): void => this.model.hush();
  explain: Actions['explain'] = name => this.model.explain(name);

  nameLock = async (): Promise<void> => {
    const state = this.model.state;
    const lock = state.face === 'ready' ? state.look.lock : '';
    const path = await dialogs.askForLock(lock, this.trans);
    if (path) {
      await this.model.look(path);
    }
  };

  apply = async (): Promise<void> => {
    const report = await this.confirm();
    if (report) {
      await this.model.workbench.apply(report);
    }
  };

  agree = async (): Promise<void> => {
    const { state } = this.model;
    const report = await this.confirm(state.face === 'ready' && state.work?.what === 'undo');
    if (report) {
      await this.model.workbench.agree(report);
    }
  };

  undo = async (): Promise<void> => {
    const found = await this.model.workbench.lookBack();
    const state = this.model.state;
    if (!found || state.face !== 'ready') {
      return;
    }
    const { place } = state.look;
    if (await dialogs.confirmChange({ ...found, place, undo: true, trans: this.trans })) {
      await this.model.workbench.undo(found.report);
    }
  };

  freeze = async (): Promise<void> => {
    const state = this.model.state;
    const isFirst = state.face === 'ready' && !state.look.lock;
    const file = await dialogs.askForFreeze(isFirst ? LOCK : FROZEN, this.trans);
    if (file) {
      await this.write(file);
    }
  };

  /** Writes the installed set into a file; asks before it writes over another one. */
  async write(file: string): Promise<void> {
    if (await this.model.freeze(file, false)) {
      return;
    }
    if (await dialogs.confirmOverwrite(file, this.trans)) {
      await this.model.freeze(file, true);
    }
  }

  restart = async (): Promise<void> => {
    const context = this.model.document?.sessionContext;
    if (!context) {
      return;
    }
    if (this.model.state.face === 'died') {
      // The server may still list it; one that is gone is replaced without a question.
      await this.app.serviceManager.sessions.refreshRunning();
    }
    await this.sessions.restart(context);
  };

  selectKernel = async (): Promise<void> => {
    const context = this.model.document?.sessionContext;
    if (context) {
      await this.sessions.selectKernel(context);
    }
  };

  install = async (): Promise<void> => {
    const kernel = this.model.document?.sessionContext.kernelDisplayName ?? '';
    if (await dialogs.confirmInstallation(kernel, this.version, this.trans)) {
      await this.model.install();
    }
  };

  openLine = async (where: string): Promise<void> => {
    const state = this.model.state;
    const document = this.model.document;
    const [, file, line] = /^(.*):(\d+)$/.exec(where) ?? [];
    if (state.face !== 'ready' || !document || !file) {
      return;
    }
    const seen = state.look.files[file] ?? file;
    const path = contentsPath(seen, document.path, this.app.serviceManager.contents);
    if (path === null) {
      await dialogs.tellOutside(file, this.trans);
      return;
    }
    const widget = await this.app.commands.execute('docmanager:open', { path, factory: 'Editor' });
    await widget?.context.ready;
    const editor = (widget?.content as FileEditor | undefined)?.editor;
    const position = { line: Number(line) - 1, column: 0 };
    editor?.setCursorPosition(position);
    editor?.revealPosition(position);
    editor?.focus();
  };

  /** Returns the report that was agreed to: what is shown meanwhile may be another. */
  private async confirm(undo = false): Promise<Report | null> {
    const state = this.model.state;
    if (state.face !== 'ready' || !state.report) {
      return null;
    }
    const { report, rows, look } = state;
    const question = { report, rows, place: look.place, undo, trans: this.trans };
    return (await dialogs.confirmChange(question)) ? report : null;
  }
}

/**
 * Returns a file in the server's view of the files; null: it is not in it.
 *
 * The only place that the kernel knows in this view is the notebook itself.
 */
function contentsPath(file: string, document: string, contents: Contents.IManager): string | null {
  const folder = PathExt.dirname(contents.localPath(document));
  const path = PathExt.join(folder, file);
  const drive = contents.driveName(document);
  if (file.startsWith('/') || path === '..' || path.startsWith('../')) {
    return null;
  }
  return drive ? `${drive}:${path}` : path;
}
