/** What the panel says where no comparison can be shown, and what can be done about it. */

import type { TranslationBundle } from '@jupyterlab/translation';
import * as React from 'react';

import type { Actions } from './actions.js';
import { Blank, Lacking } from './state.js';
import { Words } from './card.js';
import { busyWords, withoutColours } from './text.js';

interface Told {
  title: string;
  text: string;
}

export function BlankView(props: {
  state: Blank;
  actions: Actions;
  trans: TranslationBundle;
  /** What takes the keyboard where it is lost. */
  title: React.RefObject<HTMLDivElement>;
}): JSX.Element {
  const { state, actions, trans } = props;
  const { title, text } = wordsOf(state, trans);
  return (
    <div className="jp-EnvMagic-blank" data-face={state.face}>
      <div role="status" ref={props.title} tabIndex={-1}>
        <h3>{title}</h3>
        <p>
          <Words text={text} />
        </p>
      </div>
      {state.face === 'crashed' && <pre className="jp-EnvMagic-log">{state.message}</pre>}
      {(state.face === 'missing' || state.face === 'older-there') && (
        <Installation state={state} actions={actions} trans={trans} />
      )}
      {['silent', 'crashed', 'refused'].includes(state.face) && (
        <button type="button" className="jp-Button jp-mod-styled" onClick={actions.retry}>
          {trans.__('Try again')}
        </button>
      )}
      {(state.face === 'died' || state.face === 'older-there') && (
        <button type="button" className="jp-Button jp-mod-styled" onClick={actions.restart}>
          {trans.__('Restart kernel…')}
        </button>
      )}
      {state.face === 'no-kernel' && (
        <button type="button" className="jp-Button jp-mod-styled" onClick={actions.selectKernel}>
          {trans.__('Select a kernel…')}
        </button>
      )}
    </div>
  );
}

function Installation(props: {
  state: Lacking;
  actions: Actions;
  trans: TranslationBundle;
}): JSX.Element {
  const { state, actions, trans } = props;
  return (
    <>
      <button
        type="button"
        className="jp-Button jp-mod-styled jp-mod-accept"
        disabled={state.installing}
        onClick={actions.install}
      >
        {state.installing
          ? trans.__('Installing envmagic …')
          : trans.__('Install envmagic…')}
      </button>
      {state.problem && (
        <div role="alert">
          <p>{trans.__('It could not be installed. pip says:')}</p>
          <pre className="jp-EnvMagic-log">{withoutColours(state.problem)}</pre>
        </div>
      )}
    </>
  );
}

function wordsOf(state: Blank, trans: TranslationBundle): Told {
  switch (state.face) {
    case 'no-document':
      return {
        title: trans.__('No notebook'),
        text: trans.__('Open a notebook or a console to see its environment here.')
      };
    case 'no-kernel':
      return {
        title: trans.__('No kernel'),
        text: trans.__('This notebook has no kernel, and so no environment to compare.')
      };
    case 'starting':
      return {
        title: trans.__('The kernel is starting'),
        text: trans.__('Its environment is looked at as soon as it is there.')
      };
    case 'died':
      return {
        title: trans.__('The kernel has died'),
        text: trans.__(
          'A change that was at work goes on without it, or is put back: a new kernel tells which.'
        )
      };
    case 'not-python':
      return {
        title: trans.__('Not a Python kernel'),
        text: trans.__('This kernel runs %1; envmagic compares Python environments.', state.language)
      };
    case 'asking':
      return {
        title: trans.__('Asking the kernel …'),
        text: trans.__('It compares what is installed with the lock file.')
      };
    case 'busy':
      return {
        title: trans.__('The kernel is busy'),
        text: busyWords(trans)
      };
    case 'silent':
      return {
        title: trans.__('The kernel does not answer'),
        text: state.again
          ? trans.__('It has not said anything, and is asked again …')
          : trans.__('It was asked, and has not said anything.')
      };
    case 'missing':
      return {
        title: trans.__('envmagic is not in this kernel'),
        text: trans.__('It has to be installed in the environment that it compares and changes.')
      };
    case 'older-there':
      return {
        title: trans.__('The envmagic in this kernel is older'),
        text: state.version
          ? trans.__(
              'It is version %1, which this panel does not understand. After the installation, restart the kernel.',
              state.version
            )
          : trans.__('It knows nothing of this panel yet. After the installation, restart the kernel.')
      };
    case 'older-here':
      return {
        title: trans.__('This panel is older than the envmagic in the kernel'),
        text: trans.__(
          'The kernel has version %1: upgrade envmagic where JupyterLab is installed, and reload the page.',
          state.version
        )
      };
    case 'refused':
      return {
        title: trans.__('The kernel cannot compare'),
        text: [state.error.message, state.error.hint].filter(Boolean).join(': ')
      };
    case 'crashed':
      return {
        title: trans.__('Something is wrong with envmagic'),
        text: trans.__('The kernel could not answer. This is a bug: please tell us.')
      };
  }
}
