/** What is at work, and how it has ended. */

import type { TranslationBundle } from '@jupyterlab/translation';
import * as React from 'react';

import type { Actions } from './actions.js';
import { Words } from './card.js';
import { Face, Notice, questionOf, Ready, restartReasons } from './state.js';
import { busyWords, donePhrases, phaseWords, withoutColours, wroteWords } from './text.js';
import { Progress, Work } from './wire.js';

interface Props {
  state: Ready;
  face: Face;
  actions: Actions;
  trans: TranslationBundle;
}

/** Everything that a reader should see before the comparison. */
export function Banners(props: Props): JSX.Element {
  const { state, actions, trans } = props;
  return (
    <div className="jp-EnvMagic-banners" aria-live="polite">
      {state.waits && (
        <Banner kind="attention" face="busy">
          <p>{busyWords(trans)}</p>
        </Banner>
      )}
      {state.look.news.map(({ id, text }) => (
        <Banner key={id} kind="attention">
          <p>
            <Words text={text} />
          </p>
          <Button label={trans.__('Dismiss')} act={() => actions.dismiss([id])} />
        </Banner>
      ))}
      {state.notice && <Told notice={state.notice} {...props} />}
      {state.work && <WorkBanner {...props} work={state.work} />}
      <RestartBanner {...props} />
    </div>
  );
}

function Told({ notice, actions, trans }: Props & { notice: Notice }): JSX.Element {
  return (
    <Banner kind={notice.error ? 'failed' : 'done'}>
      <p>
        <Words text={notice.error ? notice.text : wroteWords(notice.wrote, trans)} />
      </p>
      {notice.error && notice.hint && (
        <p className="jp-EnvMagic-soft">
          <Words text={notice.hint} />
        </p>
      )}
      <Button label={trans.__('Dismiss')} act={actions.hush} />
    </Banner>
  );
}

function WorkBanner(props: Props & { work: Work }): JSX.Element | null {
  switch (props.face) {
    case 'working':
      return <AtWork {...props} />;
    case 'asking':
      return <Asking {...props} />;
    default:
      return props.work.state === 'ended' ? <Ended {...props} /> : null;
  }
}

function AtWork({ state, work, actions, trans }: Props & { work: Work }): JSX.Element {
  const { progress } = work;
  return (
    <Banner kind="working">
      <p>
        <b>
          <Words text={work.title} />
        </b>
      </p>
      {work.what === 'elsewhere' && (
        <p className="jp-EnvMagic-soft">
          {trans.__('Another process does this; it began before this kernel, or beside it.')}
        </p>
      )}
      <Bar progress={progress} cancelling={work.cancelling} trans={trans} />
      <Log text={state.log} trans={trans} />
      <Button
        label={trans.__('Cancel')}
        title={trans.__('Stop, and put back what was changed')}
        act={actions.cancel}
        disabled={work.cancelling}
      />
    </Banner>
  );
}

function Bar(props: {
  progress: Progress;
  cancelling: boolean;
  trans: TranslationBundle;
}): JSX.Element {
  const { progress, cancelling, trans } = props;
  const { phase, done, total, detail } = progress;
  const words = cancelling ? trans.__('Cancelling: putting back') : phaseWords(phase, trans);
  const counted = total && !cancelling ? trans.__('%1 of %2', done, total) : '';
  return (
    <div className="jp-EnvMagic-progress">
      <progress aria-label={words} {...(total && !cancelling ? { max: total, value: done } : {})} />
      <span role="status">{words}</span> {/* the rest is too much for an ear */}
      <span aria-live="off">
        {counted}
        {detail && (
          <span className="jp-EnvMagic-soft">
            {' '}
            <Words text={detail} />
          </span>
        )}
      </span>
    </div>
  );
}

function Log({ text, trans }: { text: string; trans: TranslationBundle }): JSX.Element | null {
  const node = React.useRef<HTMLPreElement>(null);
  React.useEffect(() => {
    node.current?.scrollTo(0, node.current.scrollHeight);
  }, [text]);
  return text ? (
    <details className="jp-EnvMagic-logs">
      <summary>{trans.__('Output of the tools')}</summary>
      <pre ref={node} className="jp-EnvMagic-log" tabIndex={0} aria-live="off">
        {withoutColours(text)}
      </pre>
    </details>
  ) : null;
}

function Asking({ state, actions, trans }: Props): JSX.Element {
  return (
    <Banner kind="attention">
      <p>{trans.__('There is more to do than was shown. Look again at what is below.')}</p>
      <div className="jp-EnvMagic-buttons">
        <Button
          label={trans.__('Go on…')}
          act={actions.agree}
          disabled={questionOf(state) !== null}
          accept
        />
        <Button label={trans.__('Cancel')} act={actions.cancel} />
      </div>
    </Banner>
  );
}

function Ended({ state, face, work, actions, trans }: Props & { work: Work }): JSX.Element {
  const said = work.cancelled ? '' : work.error?.message;
  const lines = work.outcome?.lines ?? [said ?? '', work.error?.hint ?? ''];
  const good = face === 'succeeded' || face === 'equal' || face === 'differs';
  return (
    <Banner kind={good ? 'done' : face === 'cancelled' ? 'attention' : 'failed'} face={face}>
      <p>
        <b>{endWords(face, trans)}</b>
      </p>
      {work.outcome?.done && <p>{donePhrases(work.outcome.done, trans).join(', ')}</p>}
      {lines.filter(Boolean).map(line => (
        <p key={line}>
          <Words text={line} />
        </p>
      ))}
      <Log text={state.log} trans={trans} />
      <Button label={trans.__('Dismiss')} act={() => actions.dismiss()} />
    </Banner>
  );
}

function endWords(face: Face, trans: TranslationBundle): string {
  switch (face) {
    case 'rolled-back':
      return trans.__('It failed, and everything was put back: the environment is as it was');
    case 'failed':
      return trans.__('It failed, and could not be put back');
    case 'cancelled':
      return trans.__('Cancelled: the environment is as it was');
    case 'stopped':
      return trans.__('Not done');
    case 'held':
      return trans.__('Done, but for what was held');
    default:
      return trans.__('Done');
  }
}

/** Asks for a restart, only where something that is loaded has changed. */
function RestartBanner({ state, face, actions, trans }: Props): JSX.Element | null {
  const reasons = restartReasons(state);
  if (!reasons.length || face === 'working' || face === 'asking') {
    return null;
  }
  return (
    <Banner kind="attention" face="restart">
      <p>
        <b>{trans.__('Restart the kernel to use what is on the disk')}</b>
      </p>
      <ul>
        {reasons.map(reason => (
          <li key={reason}>
            <Words text={reason} />
          </li>
        ))}
      </ul>
      <Button
        label={trans.__('Restart kernel…')}
        act={actions.restart}
        accept={state.report?.parity ?? true} // else there is more to do before
      />
    </Banner>
  );
}

function Banner(props: {
  kind: 'working' | 'done' | 'attention' | 'failed';
  face?: string;
  children: React.ReactNode;
}): JSX.Element {
  return (
    <div
      className="jp-EnvMagic-banner"
      data-kind={props.kind}
      data-face={props.face}
      role={props.kind === 'failed' ? 'alert' : undefined}
    >
      {props.children}
    </div>
  );
}

export function Button(props: {
  label: string;
  act: () => void;
  accept?: boolean;
  disabled?: boolean;
  title?: string;
}): JSX.Element {
  const { label, act, accept, disabled, title } = props;
  return (
    <button
      type="button"
      className={`jp-Button jp-mod-styled${accept ? ' jp-mod-accept' : ''}`}
      disabled={disabled}
      title={title}
      onClick={act}
    >
      {label}
    </button>
  );
}
