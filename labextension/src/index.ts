/** The plugin: tokens, commands, settings, sidebar, status bar. */

import {
  ILayoutRestorer,
  JupyterFrontEnd,
  JupyterFrontEndPlugin
} from '@jupyterlab/application';
import {
  ICommandPalette,
  ISessionContextDialogs,
  SessionContextDialogs
} from '@jupyterlab/apputils';
import { IConsoleTracker } from '@jupyterlab/console';
import { INotebookTracker } from '@jupyterlab/notebook';
import { ISettingRegistry } from '@jupyterlab/settingregistry';
import { IStatusBar } from '@jupyterlab/statusbar';
import { ITranslator, nullTranslator } from '@jupyterlab/translation';

import { addCommands } from './commands.js';
import { Deeds } from './deeds.js';
import { followCurrent } from './follow.js';
import { Model } from './model.js';
import { EnvironmentPanel } from './panel.js';
import { Settings } from './settings.js';
import { EnvironmentStatus } from './status.js';
import { VERSION } from './version.js';
import { watch } from './watch.js';

const ID = 'envmagic:plugin';

const plugin: JupyterFrontEndPlugin<void> = {
  id: ID,
  description: 'Compares the environment of a kernel with a lock file, and makes it equal.',
  autoStart: true,
  requires: [INotebookTracker],
  optional: [
    IConsoleTracker,
    ICommandPalette,
    ILayoutRestorer,
    ISettingRegistry,
    ISessionContextDialogs,
    IStatusBar,
    ITranslator
  ],
  activate: (
    app: JupyterFrontEnd,
    notebooks: INotebookTracker,
    consoles: IConsoleTracker | null,
    palette: ICommandPalette | null,
    restorer: ILayoutRestorer | null,
    registry: ISettingRegistry | null,
    sessions: ISessionContextDialogs | null,
    statusBar: IStatusBar | null,
    translator: ITranslator | null
  ): void => {
    const languages = translator ?? nullTranslator;
    const trans = languages.load('envmagic');
    const settings = new Settings(registry, ID);
    const isWanted = (): boolean => panel.isVisible || (panel.wasShown && settings.watch === 'badge');
    const isWatched = (): boolean => settings.watch !== 'off' && isWanted();
    const model: Model = new Model(VERSION, settings, isWanted, isWatched);
    const dialogs = sessions ?? new SessionContextDialogs({ translator: languages });
    const deeds = new Deeds(app, model, dialogs, VERSION, trans);
    const panel: EnvironmentPanel = new EnvironmentPanel(model, deeds, trans);

    app.shell.add(panel, 'right', { rank: 600, type: 'Environment' });
    restorer?.add(panel, panel.id);
    panel.shown.connect(() => void model.check());

    const open = () => app.shell.activateById(panel.id);
    addCommands({ app, model, deeds, open, palette, trans });

    if (statusBar) {
      const item = new EnvironmentStatus(model, open, trans);
      statusBar.registerStatusItem('envmagic:status', {
        item,
        align: 'right',
        rank: 90,
        isActive: () => settings.statusBar,
        activeStateChanged: settings.changed
      });
    }
    settings.changed.connect(() => {
      model.tellAgain();
      void model.refresh();
    });
    watch(model, app.serviceManager.contents, isWatched);
    // Not before: which lock is compared first is one of them.
    void settings.loaded.then(() => followCurrent(app, model, notebooks, consoles));
    window.addEventListener('pagehide', () => model.dispose());
  }
};

export default plugin;
