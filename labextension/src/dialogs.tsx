/** The questions that are asked before anything is changed. */

import { Dialog, InputDialog, showDialog } from '@jupyterlab/apputils';
import type { TranslationBundle } from '@jupyterlab/translation';
import * as React from 'react';

import { Words } from './card.js';
import { trustQuestions } from './state.js';
import { countPhrases } from './text.js';
import { Change, Place, Report } from './wire.js';

/** Asks whether a report is to be carried out: names all that it takes, builds and trusts. */
export async function confirmChange(props: {
  report: Report;
  rows: readonly Change[];
  place: Place;
  /** Whether it puts back what was changed before. */
  undo: boolean;
  trans: TranslationBundle;
}): Promise<boolean> {
  const { report, undo, trans } = props;
  const { path } = report.lock;
  const dangerous = report.counts.remove > 0 || trustQuestions(report).length > 0;
  const apply = { label: undo ? trans.__('Undo') : trans.__('Apply') };
  const result = await showDialog({
    title: undo ? trans.__('Undo %1?', path) : trans.__('Make this kernel equal to %1?', path),
    body: <Summary {...props} />,
    buttons: [
      Dialog.cancelButton({ label: trans.__('Cancel') }),
      dangerous ? Dialog.warnButton(apply) : Dialog.okButton(apply)
    ],
    defaultButton: dangerous ? 0 : 1
  });
  return result.button.accept;
}

function Summary(props: {
  report: Report;
  rows: readonly Change[];
  place: Place;
  undo: boolean;
  trans: TranslationBundle;
}): JSX.Element {
  const { report, rows, place, undo, trans } = props;
  const removed = rows.filter(change => change.kind === 'remove');
  const loaded = rows.filter(isStale);
  const trust = trustQuestions(report);
  const neighbours = report.findings.filter(finding => finding.kind === 'neighbour');
  return (
    <div className="jp-EnvMagic-dialog">
      <dl>
        <dt>{trans.__('Interpreter')}</dt>
        <dd>
          <code>{place.executable}</code>
        </dd>
        <dt>{undo ? trans.__('Put back') : trans.__('Lock file')}</dt>
        <dd>
          <code>{report.lock.path}</code>
        </dd>
        <dt>{trans.__('Changes')}</dt>
        <dd>{countPhrases(report, trans).join(', ')}</dd>
      </dl>
      {removed.length > 0 && (
        <List
          title={trans._n('%1 project is removed:', '%1 projects are removed:', removed.length)}
          items={removed.map(change => `${change.name} ${change.installed ?? ''}`)}
        />
      )}
      {trust.length > 0 && (
        <List title={trans.__('You trust what this lock brings with it:')} items={trust} sentences warn />
      )}
      {neighbours.length > 0 && (
        <List
          title={trans.__('Others use this environment:')}
          items={neighbours.map(finding => finding.text)}
          sentences
        />
      )}
      {loaded.length > 0 && (
        <p>
          {trans._n(
            '%1 project that changes is loaded: the kernel has to be restarted afterwards.',
            '%1 projects that change are loaded: the kernel has to be restarted afterwards.',
            loaded.length
          )}{' '}
          <code>{loaded.map(change => change.name).join(', ')}</code>
        </p>
      )}
      <p className="jp-EnvMagic-soft">
        {trans.__('Whatever fails or is cancelled, everything is put back.')}
      </p>
    </div>
  );
}

/** Whether what is in the kernel's memory will not be what is on the disk. */
function isStale({ loaded, wanted, kind }: Change): boolean {
  return loaded !== null && loaded !== wanted && kind !== 'equal' && kind !== 'keep';
}

function List(props: {
  title: string;
  items: readonly string[];
  sentences?: boolean;
  warn?: boolean;
}): JSX.Element {
  const { sentences, warn } = props;
  const classes = [sentences && 'jp-mod-sentences', warn && 'jp-EnvMagic-warn'];
  return (
    <section className={classes.filter(Boolean).join(' ')}>
      <h4>{props.title}</h4>
      <ul>
        {props.items.map(item => (
          <li key={item}>
            <Words text={item} />
          </li>
        ))}
      </ul>
    </section>
  );
}

/** Asks for the path of a lock; null: cancelled. */
export async function askForLock(lock: string, trans: TranslationBundle): Promise<string | null> {
  const result = await InputDialog.getText({
    title: trans.__('Compare with a lock file'),
    label: trans.__('Its path, from the folder of the notebook:'),
    text: lock,
    okLabel: trans.__('Compare')
  });
  return (result.button.accept && result.value?.trim()) || null;
}

/** Asks where the installed set is written; null: cancelled. */
export async function askForFreeze(file: string, trans: TranslationBundle): Promise<string | null> {
  const result = await InputDialog.getText({
    title: trans.__('Write what is installed as a lock file'),
    label: trans.__('Its path, from the folder of the notebook:'),
    text: file,
    okLabel: trans.__('Write')
  });
  return (result.button.accept && result.value?.trim()) || null;
}

/** Asks whether a file that differs is written over. */
export async function confirmOverwrite(file: string, trans: TranslationBundle): Promise<boolean> {
  const result = await showDialog({
    title: trans.__('Write over %1?', file),
    body: trans.__('There is a file of that name, and it says something else.'),
    buttons: [
      Dialog.cancelButton({ label: trans.__('Cancel') }),
      Dialog.warnButton({ label: trans.__('Write over it') })
    ],
    defaultButton: 0
  });
  return result.button.accept;
}

/** Asks whether envmagic is installed into an environment. */
export async function confirmInstallation(
  kernel: string,
  version: string,
  trans: TranslationBundle
): Promise<boolean> {
  const result = await showDialog({
    title: trans.__('Install envmagic?'),
    body: trans.__(
      'pip installs envmagic %1, with what it requires, into the environment of the kernel “%2”.',
      version,
      kernel
    ),
    buttons: [
      Dialog.cancelButton({ label: trans.__('Cancel') }),
      Dialog.okButton({ label: trans.__('Install') })
    ]
  });
  return result.button.accept;
}

/** Says that a file cannot be opened from here. */
export async function tellOutside(path: string, trans: TranslationBundle): Promise<void> {
  await showDialog({
    title: trans.__('%1 cannot be opened here', path),
    body: trans.__('It lies outside the folder that JupyterLab shows.'),
    buttons: [Dialog.okButton()]
  });
}
