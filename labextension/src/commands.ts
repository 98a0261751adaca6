/** The commands, which the palette, the Kernel menu and others call. */

import type { JupyterFrontEnd } from '@jupyterlab/application';
import type { ICommandPalette } from '@jupyterlab/apputils';
import type { TranslationBundle } from '@jupyterlab/translation';
import type { CommandRegistry } from '@lumino/commands';

import type { Deeds } from './deeds.js';
import { environmentIcon } from './icons.js';
import type { Model } from './model.js';
import { faceOf, State } from './state.js';

export namespace CommandIDs {
  export const openPanel = 'envmagic:open-panel';
  export const compare = 'envmagic:compare';
  export const preview = 'envmagic:preview';
  export const apply = 'envmagic:apply';
  export const undo = 'envmagic:undo';
  export const freeze = 'envmagic:freeze';
}

/** Where there is a kernel that can be asked, or could be a moment later. */
const COMPARABLE: ReadonlySet<State['face']> = new Set([
  'ready',
  'starting',
  'asking',
  'busy',
  'silent',
  'refused',
  'crashed'
]);

export function addCommands(options: {
  app: JupyterFrontEnd;
  model: Model;
  deeds: Deeds;
  open: () => void;
  palette: ICommandPalette | null;
  trans: TranslationBundle;
}): void {
  const { app, model, deeds, open, palette, trans } = options;
  const { commands } = app;
  const isWorking = () =>
    model.state.face === 'ready' && ['working', 'asking'].includes(faceOf(model.state));
  /** Whether a comparison is shown, and nothing is at work. */
  const isAtRest = () => model.state.face === 'ready' && !isWorking();
  const differs = () =>
    isAtRest() && model.state.face === 'ready' && model.state.report?.parity === false;

  const add = (id: string, options: Partial<CommandRegistry.ICommandOptions>) => {
    commands.addCommand(id, {
      describedBy: { args: { type: 'object', properties: {} } },
      ...options,
      execute: args => {
        open();
        return options.execute?.(args);
      }
    });
    palette?.addItem({ command: id, category: trans.__('Environment') });
  };
  const path = (name: string, description: string) => ({
    args: { type: 'object', properties: { [name]: { type: 'string', description } } } as const
  });

  add(CommandIDs.openPanel, {
    label: trans.__('Environment: Open Panel'),
    caption: trans.__('Show how this kernel differs from its lock file'),
    icon: environmentIcon
  });
  add(CommandIDs.compare, {
    label: trans.__('Environment: Compare with Lock File…'),
    caption: trans.__('Compare this kernel with a lock file'),
    isEnabled: () => COMPARABLE.has(model.state.face) && !isWorking(),
    describedBy: path('lock', trans.__('The path of the lock file')),
    execute: ({ lock }) => (typeof lock === 'string' ? model.look(lock) : deeds.nameLock())
  });
  add(CommandIDs.preview, {
    label: trans.__('Environment: Preview with the Index'),
    caption: trans.__('Fetch what would be installed, to know what it requires in its turn'),
    isEnabled: differs,
    execute: () => model.workbench.preview()
  });
  add(CommandIDs.apply, {
    label: trans.__('Environment: Apply Lock File…'),
    caption: trans.__('Make this kernel equal to the lock file'),
    isEnabled: differs,
    execute: () => deeds.apply()
  });
  add(CommandIDs.undo, {
    label: trans.__('Environment: Undo Last Change…'),
    caption: trans.__('Put back what the last change of this environment did'),
    isEnabled: () =>
      isAtRest() && model.state.face === 'ready' && model.state.look.undo !== null,
    execute: () => deeds.undo()
  });
  add(CommandIDs.freeze, {
    label: trans.__('Environment: Freeze to Lock File…'),
    caption: trans.__('Write what is installed as a lock file'),
    isEnabled: isAtRest,
    describedBy: path('file', trans.__('The path of the file to write')),
    execute: ({ file }) => (typeof file === 'string' ? deeds.write(file) : deeds.freeze())
  });
  tellChanges(model, commands);
}

/** Tells the menus of what can be done now; only where that is new, since they are all drawn again. */
function tellChanges(model: Model, commands: CommandRegistry): void {
  const ids = Object.values(CommandIDs);
  const known = new Map<string, boolean>();
  model.changed.connect(() => {
    for (const id of ids) {
      const isEnabled = commands.isEnabled(id);
      if (known.get(id) !== isEnabled) {
        known.set(id, isEnabled);
        commands.notifyCommandChanged(id);
      }
    }
  });
}
