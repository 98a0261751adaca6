/** The panel as it is seen: reads the state, and knows neither kernel nor network. */

import type { TranslationBundle } from '@jupyterlab/translation';
import { HTMLSelect, refreshIcon } from '@jupyterlab/ui-components';
import * as React from 'react';

import type { Actions } from './actions.js';
import { BlankView } from './blank.js';
import { AcceleratorCard, Findings, Words } from './card.js';
import { useKeptFocus } from './focus.js';
import { Face, faceOf, faceOfLook, Ready, refusals, State } from './state.js';
import { DiffTable } from './table.js';
import { countPhrases } from './text.js';
import { Fault, Report } from './wire.js';
import { Banners, Button } from './work.js';

/** What takes the keyboard where it is lost. */
type Title = React.RefObject<HTMLDivElement>;

interface Props {
  state: Ready;
  face: Face;
  actions: Actions;
  trans: TranslationBundle;
}

export function PanelView(props: {
  /** What it is drawn into. */
  root: HTMLElement;
  state: State;
  actions: Actions;
  trans: TranslationBundle;
}): JSX.Element {
  const { state, actions, trans } = props;
  const title = React.useRef<HTMLDivElement>(null);
  useKeptFocus(props.root, title);
  return state.face === 'ready' ? (
    <ReadyView {...{ state, face: faceOf(state), actions, trans, title }} />
  ) : (
    <BlankView {...{ state, actions, trans, title }} />
  );
}

function ReadyView({ title, ...inner }: Props & { title: Title }): JSX.Element {
  return (
    <div className="jp-EnvMagic-ready" data-face={inner.face}>
      <Header {...inner} title={title} />
      <Banners {...inner} />
      <Body {...inner} />
      <Footer {...inner} />
    </div>
  );
}

function isAtWork(face: Face): boolean {
  return face === 'working' || face === 'asking';
}

/** Which environment, which lock, and whether they are equal. */
function Header({ title, ...props }: Props & { title: Title }): JSX.Element {
  const { state, face, actions, trans } = props;
  const { place } = state.look;
  const isBusy = state.refreshing || isAtWork(face);
  return (
    <header className="jp-EnvMagic-header">
      <div className="jp-EnvMagic-row" ref={title} tabIndex={-1}>
        <span className="jp-EnvMagic-label">{trans.__('Kernel')}</span>
        <span className="jp-EnvMagic-value" title={place.executable}>
          Python {place.python}
          <span className="jp-EnvMagic-path jp-EnvMagic-soft">
            <bdi dir="ltr">{place.prefix}</bdi>
          </span>
        </span>
        <button
          type="button"
          className="jp-EnvMagic-refresh jp-Button jp-mod-minimal"
          title={trans.__('Compare again')}
          aria-label={trans.__('Compare again')}
          aria-disabled={isBusy}
          onClick={() => isBusy || actions.refresh()}
        >
          <refreshIcon.react tag="span" />
        </button>
      </div>
      <LockChooser {...props} />
    </header>
  );
}

const ANOTHER = '\n';

function LockChooser({ state, face, actions, trans }: Props): JSX.Element {
  const { lock, locks } = state.look;
  const there = lock && !locks.includes(lock) ? [lock, ...locks] : locks;
  const choose = (path: string) =>
    path === ANOTHER ? actions.nameLock() : actions.chooseLock(path);
  return (
    <label className="jp-EnvMagic-row">
      <span className="jp-EnvMagic-label">{trans.__('Lock')}</span>
      <HTMLSelect
        className="jp-EnvMagic-locks"
        value={lock}
        disabled={isAtWork(face)}
        onChange={event => choose(event.target.value)}
      >
        {!lock && <option value="">{trans.__('Choose a lock file')}</option>}
        {there.map(path => (
          <option key={path} value={path}>
            {path}
          </option>
        ))}
        <option value={ANOTHER}>{trans.__('Another file…')}</option>
      </HTMLSelect>
    </label>
  );
}

function Body(props: Props): JSX.Element {
  const { state, face, actions, trans } = props;
  const { report } = state;
  if (!report) {
    return <NoReport {...props} />;
  }
  return (
    <>
      <Parity {...{ report, trans }} undo={face === 'asking' && state.work?.what === 'undo'} />
      <Buttons {...props} report={report} />
      <Refusals report={report} />
      <AcceleratorCard accelerator={report.accelerator} trans={trans} />
      <Findings report={report} trans={trans} />
      <DiffTable
        report={report}
        rows={state.rows}
        trans={trans}
        explain={actions.explain}
        openLine={actions.openLine}
      />
    </>
  );
}

function Parity(props: {
  report: Report;
  /** Whether it is what an undo would do. */
  undo: boolean;
  trans: TranslationBundle;
}): JSX.Element {
  const { report, undo, trans } = props;
  const { path } = report.lock;
  const differs = undo ? trans.__('Undo %1?', path) : trans.__('Differs from %1', path);
  const counts = countPhrases(report, trans);
  return (
    <div className="jp-EnvMagic-parity" data-parity={report.parity} role="status">
      <h3>
        <span aria-hidden="true">{report.parity ? '✓' : '≠'}</span>{' '}
        {report.parity ? trans.__('Equal to %1', path) : differs}
      </h3>
      <p className="jp-EnvMagic-soft">
        {counts.length
          ? counts.join(', ')
          : trans._n('%1 pin, nothing to change', '%1 pins, nothing to change', report.lock.pins)}
      </p>
    </div>
  );
}

function Buttons(props: Props & { report: Report }): JSX.Element {
  const { state, face, report, actions, trans } = props;
  const atWork = isAtWork(face);
  const refused = refusals(report).length > 0;
  const nothing = report.parity;
  return (
    <div className="jp-EnvMagic-buttons">
      {!nothing && (
        <Button
          label={trans.__('Apply…')}
          title={trans.__('Make this kernel equal to the lock file')}
          act={actions.apply}
          disabled={atWork || refused || state.refreshing}
          accept
        />
      )}
      {!nothing && (
        <Button
          label={trans.__('Preview')}
          title={trans.__(
            'Fetch what would be installed, to know what it requires in its turn; nothing is changed'
          )}
          act={actions.preview}
          disabled={atWork || report.prepared || state.refreshing}
        />
      )}
      {!nothing && report.prepared && report.counts.install > 0 && (
        <p className="jp-EnvMagic-soft">
          {trans.__('All requirements of what would be installed are known.')}
        </p>
      )}
      {!nothing && !report.prepared && (
        <p className="jp-EnvMagic-soft">
          {trans.__(
            'What is not installed yet has unknown requirements. A preview fetches them, but builds nothing: what has no wheel stays unknown.'
          )}
        </p>
      )}
    </div>
  );
}

function Refusals({ report }: { report: Report }): JSX.Element | null {
  const list = refusals(report);
  return list.length ? (
    <div className="jp-EnvMagic-banner" data-kind="failed" data-face="refusals">
      {list.map(({ text, hint }) => (
        <Problem key={text} text={text} hint={hint} />
      ))}
    </div>
  ) : null;
}

function Problem({ text, hint }: { text: string; hint: string | null }): JSX.Element {
  return (
    <>
      <p>
        <Words text={text} />
      </p>
      {hint && (
        <p className="jp-EnvMagic-soft">
          <Words text={hint} />
        </p>
      )}
    </>
  );
}

/** Why there is no comparison: no lock, several, one that cannot be used. */
function NoReport({ state, actions, trans }: Props): JSX.Element {
  const { look } = state;
  const face = faceOfLook(state);
  if (face === 'no-lock' || face === 'several-locks') {
    return (
      <div className="jp-EnvMagic-blank" data-face={face}>
        <h3>
          {face === 'no-lock' ? trans.__('No lock file here') : trans.__('Several lock files here')}
        </h3>
        <p>
          {face === 'no-lock'
            ? trans.__('There is none in %1. Write one of this environment, or name another file.', look.place.folder)
            : trans.__('Choose the one that this kernel should be equal to.')}
        </p>
        {face === 'several-locks' ? (
          look.locks.map(path => (
            <Button key={path} label={path} act={() => actions.chooseLock(path)} />
          ))
        ) : (
          <div className="jp-EnvMagic-buttons">
            <Button label={trans.__('Freeze…')} act={actions.freeze} accept />
            <Button label={trans.__('Another file…')} act={actions.nameLock} />
          </div>
        )}
      </div>
    );
  }
  return look.error ? (
    <InvalidLock {...{ error: look.error, face, actions, trans }} />
  ) : (
    <p className="jp-EnvMagic-soft">{trans.__('Asking the kernel …')}</p>
  );
}

/** What is wrong with a lock, or with what was asked for; a click opens the file there. */
function InvalidLock(props: {
  error: Fault;
  face: Face;
  actions: Actions;
  trans: TranslationBundle;
}): JSX.Element {
  const { error, face, actions, trans } = props;
  return (
    <div className="jp-EnvMagic-blank" data-face={face} role="alert">
      <h3>
        {face === 'invalid-lock'
          ? trans.__('This lock cannot be used')
          : trans.__('The kernel cannot compare')}
      </h3>
      {error.faults.length ? (
        <ul className="jp-EnvMagic-faults">
          {error.faults.map(fault => (
            <li key={`${fault.where} ${fault.text}`}>
              <button
                type="button"
                className="jp-EnvMagic-link"
                title={trans.__('Open the file there')}
                onClick={() => actions.openLine(fault.where)}
              >
                {fault.where}
              </button>
              <Problem text={fault.text} hint={fault.hint} />
            </li>
          ))}
        </ul>
      ) : (
        <Problem text={error.message} hint={error.hint} />
      )}
    </div>
  );
}

/** What can be done beside a comparison. */
function Footer({ state, face, actions, trans }: Props): JSX.Element {
  const { undo } = state.look;
  const atWork = isAtWork(face);
  return (
    <footer className="jp-EnvMagic-footer">
      <Button
        label={trans.__('Undo…')}
        title={undo ? `${undo.title}: ${undo.steps}` : trans.__('No change is kept to be undone')}
        act={actions.undo}
        disabled={!undo || atWork}
      />
      <Button
        label={trans.__('Freeze…')}
        title={trans.__('Write what is installed as a lock file')}
        act={actions.freeze}
        disabled={atWork}
      />
    </footer>
  );
}
