/** Which notebook or console is the current one. */

import type { JupyterFrontEnd } from '@jupyterlab/application';
import type { ConsolePanel, IConsoleTracker } from '@jupyterlab/console';
import type { INotebookTracker, NotebookPanel } from '@jupyterlab/notebook';
import type { Widget } from '@lumino/widgets';

import type { Model } from './model.js';
import type { Document } from './session.js';

/** Has a model follow the notebook or console that the user works in. */
export function followCurrent(
  app: JupyterFrontEnd,
  model: Model,
  notebooks: INotebookTracker,
  consoles: IConsoleTracker | null
): void {
  let last: Widget | null = null;
  const update = () => {
    const current = app.shell.currentWidget;
    if (current && (notebooks.has(current) || consoles?.has(current))) {
      last = current;
    } else if (!last || last.isDisposed) {
      last = notebooks.currentWidget ?? consoles?.currentWidget ?? null;
    }
    model.follow(last && describe(last));
  };
  app.shell.currentChanged?.connect(update);
  notebooks.currentChanged.connect(update);
  consoles?.currentChanged.connect(update);
  void app.restored.then(update);
}

function describe(widget: Widget): Document {
  const { sessionContext } = widget as NotebookPanel | ConsolePanel;
  const path = (widget as NotebookPanel).context?.path ?? sessionContext.path;
  return { path, sessionContext };
}
