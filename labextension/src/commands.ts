/** The commands, which the palette, the Kernel menu and others call. */

import type { JupyterFrontEnd } from '@jupyterlab/application';
import type { ICommandPalette } from '@jupyterlab/apputils';
import type { TranslationBundle } from '@jupyterlab/translation';

import type { Deeds } from './deeds.js';
import { environmentIcon } from './icons.js';
import type { Model } from './model.js';
import { faceOf } from './state.js';

export namespace CommandIDs {
  export const openPanel = 'envmagic:open-panel';
  export const compare = 'envmagic:compare';
  export const preview = 'envmagic:preview';
  export const apply = 'envmagic:apply';
  export const undo = 'envmagic:undo';
  export const freeze = 'envmagic:freeze';
}

const NOTHING = { type: 'object', properties: {} } as const;

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
  /** Whether a comparison is shown, and nothing is at work. */
  const isAtRest = () =>
    model.state.face === 'ready' && !['working', 'asking'].includes(faceOf(model.state));
  const differs = () =>
    isAtRest() && model.state.face === 'ready' && model.state.report?.parity === false;

  commands.addCommand(CommandIDs.openPanel, {
    label: trans.__('Environment: Open Panel'),
    caption: trans.__('Show how this kernel differs from its lock file'),
    icon: environmentIcon,
    execute: open,
    describedBy: { args: NOTHING }
  });
  commands.addCommand(CommandIDs.compare, {
    label: trans.__('Environment: Compare with Lock File…'),
    caption: trans.__('Compare this kernel with a lock file'),
    execute: async ({ lock }) => {
      open();
      await (typeof lock === 'string' ? model.look(lock) : deeds.nameLock());
    },
    describedBy: {
      args: {
        type: 'object',
        properties: {
          lock: { type: 'string', description: trans.__('The path of the lock file') }
        }
      }
    }
  });
  commands.addCommand(CommandIDs.preview, {
    label: trans.__('Environment: Preview with the Index'),
    caption: trans.__('Fetch what would be installed, to know what it requires in its turn'),
    isEnabled: differs,
    execute: () => {
      open();
      return model.preview();
    },
    describedBy: { args: NOTHING }
  });
  commands.addCommand(CommandIDs.apply, {
    label: trans.__('Environment: Apply Lock File…'),
    caption: trans.__('Make this kernel equal to the lock file'),
    isEnabled: differs,
    execute: () => {
      open();
      return deeds.apply();
    },
    describedBy: { args: NOTHING }
  });
  commands.addCommand(CommandIDs.undo, {
    label: trans.__('Environment: Undo Last Change…'),
    caption: trans.__('Put back what the last change of this environment did'),
    isEnabled: () =>
      isAtRest() && model.state.face === 'ready' && model.state.look.undo !== null,
    execute: () => {
      open();
      return deeds.undo();
    },
    describedBy: { args: NOTHING }
  });
  commands.addCommand(CommandIDs.freeze, {
    label: trans.__('Environment: Freeze to Lock File…'),
    caption: trans.__('Write what is installed as a lock file'),
    isEnabled: isAtRest,
    execute: ({ file }) => {
      open();
      return typeof file === 'string' ? deeds.write(file) : deeds.freeze();
    },
    describedBy: {
      args: {
        type: 'object',
        properties: {
          file: { type: 'string', description: trans.__('The path of the file to write') }
        }
      }
    }
  });
  model.changed.connect(() => commands.notifyCommandChanged());
  for (const command of Object.values(CommandIDs)) {
    palette?.addItem({ command, category: trans.__('Environment') });
  }
}
