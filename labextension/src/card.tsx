/** What a comparison says beside the rows: the accelerator card, and the findings. */

import type { TranslationBundle } from '@jupyterlab/translation';
import * as React from 'react';

import { memoryWords, severityWord, withoutColours } from './text.js';
import { Accelerator, Finding, Gpu, Report, Severity } from './wire.js';

const SIGNS = { ok: '✓', warn: '▲', fail: '✗', unknown: '?' } as const;
const MARKS: Record<Severity, string> = { error: '✗', warning: '▲', note: 'i' };

/** The verdict on the lock and this machine; nothing where neither has to do with a GPU. */
export function AcceleratorCard(props: {
  accelerator: Accelerator | null;
  trans: TranslationBundle;
}): JSX.Element | null {
  const { accelerator, trans } = props;
  if (!accelerator) {
    return <p className="jp-EnvMagic-soft">{trans.__('Asking the driver of the GPU …')}</p>;
  }
  const { wanted, verdict, reasons, gpus } = accelerator;
  if (!wanted?.from && !gpus.length && !reasons.length) {
    return null;
  }
  const told = reasons.filter(reason => reason.severity !== 'note');
  return (
    <details className="jp-EnvMagic-card" data-verdict={verdict} open={verdict === 'fail'}>
      <summary>
        <span className="jp-EnvMagic-sign" aria-hidden="true">
          {SIGNS[verdict]}
        </span>
        {verdictWords(verdict, trans)}
      </summary>
      {told.length > 0 && <Sentences list={told} trans={trans} />}
      <Facts accelerator={accelerator} isBelow={told.length > 0} trans={trans} />
    </details>
  );
}

/** What the driver, the lock and the environment say; folded away below what comes of it. */
function Facts(props: {
  accelerator: Accelerator;
  isBelow: boolean;
  trans: TranslationBundle;
}): JSX.Element {
  const { accelerator, isBelow, trans } = props;
  const { wanted, installed, gpus, covered } = accelerator;
  const facts = (
    <>
      <dl className="jp-EnvMagic-facts">
        <Fact label={trans.__('Driver')} value={driverWords(accelerator, trans)} />
        <Fact
          label={trans.__('Wanted')}
          value={wanted?.cuda ? `CUDA ${wanted.cuda}, ${wanted.from}` : (wanted?.from ?? null)}
        />
        <Fact label="torch" value={beside(wanted?.torch, installed?.torch, trans)} />
        <Fact label="cuDNN" value={beside(wanted?.cudnn, installed?.cudnn, trans)} />
        <Fact label="NCCL" value={beside(wanted?.nccl, installed?.nccl, trans)} />
      </dl>
      {gpus.map((gpu, number) => (
        <GpuLine key={number} gpu={gpu} covered={covered?.[number]} trans={trans} />
      ))}
    </>
  );
  return isBelow ? (
    <details>
      <summary>{trans.__('Driver, builds and GPUs')}</summary>
      {facts}
    </details>
  ) : (
    facts
  );
}

function verdictWords(verdict: Accelerator['verdict'], trans: TranslationBundle): string {
  switch (verdict) {
    case 'ok':
      return trans.__('GPU: this lock will run here');
    case 'warn':
      return trans.__('GPU: this lock may run here, with a warning');
    case 'fail':
      return trans.__('GPU: this lock will not run here');
    case 'unknown':
      return trans.__('GPU: whether this lock will run here is not known');
  }
}

function driverWords(accelerator: Accelerator, trans: TranslationBundle): string {
  if (accelerator.driver === null) {
    return accelerator.absent ? trans.__('none of NVIDIA') : trans.__('not known');
  }
  return `${accelerator.driver} (CUDA ${accelerator.driver_cuda ?? '?'})`;
}

function beside(
  wanted: string | null | undefined,
  installed: string | null | undefined,
  trans: TranslationBundle
): string | null {
  if (!wanted || wanted === installed) {
    return installed ?? null;
  }
  return installed
    ? trans.__('%1, installed is %2', wanted, installed)
    : trans.__('%1, not installed', wanted);
}

function Fact({ label, value }: { label: string; value: string | null }): JSX.Element | null {
  return value ? (
    <>
      <dt>{label}</dt>
      <dd>{value}</dd>
    </>
  ) : null;
}

function GpuLine(props: {
  gpu: Gpu;
  covered: boolean | null | undefined;
  trans: TranslationBundle;
}): JSX.Element {
  const { gpu, covered, trans } = props;
  const used = gpu.memory_used;
  const total = gpu.memory_total;
  return (
    <div className="jp-EnvMagic-gpu">
      <div>
        {gpu.name}
        {gpu.capability && ` · ${trans.__('compute %1', gpu.capability)}`}
        {covered === true && ` · ✓ ${trans.__('in the build')}`}
        {covered === false && ` · ✗ ${trans.__('not in the build')}`}
        {gpu.mig && ' · MIG'}
      </div>
      {total !== null && used !== null && (
        <meter
          min={0}
          max={total}
          value={used}
          aria-label={trans.__('memory of %1 in use', gpu.name)}
        />
      )}
      {total !== null && (
        <span className="jp-EnvMagic-soft">
          {used === null
            ? memoryWords(total)
            : trans.__('%1 of %2 in use', memoryWords(used), memoryWords(total))}
        </span>
      )}
    </div>
  );
}

/** What is wrong now, or would be afterwards. */
export function Findings(props: {
  report: Report;
  trans: TranslationBundle;
}): JSX.Element | null {
  const { report, trans } = props;
  const list = report.findings.filter(isFinding);
  if (!list.length) {
    return null;
  }
  const grave = list.some(finding => finding.severity === 'error');
  return (
    <details className="jp-EnvMagic-card jp-EnvMagic-findings" open={grave}>
      <summary>{trans._n('%1 finding', '%1 findings', list.length)}</summary>
      <Sentences list={list} trans={trans} />
    </details>
  );
}

/** Refusals stand above, what is held in the table, what is not known yet by the preview. */
function isFinding({ kind, severity }: Finding): boolean {
  const isTold = kind === 'held' || (kind === 'unknown' && severity === 'note');
  return kind !== 'refused' && (!isTold || severity === 'error');
}

/** Sentences with how bad each is, the worst first; text of a lock is text, never HTML. */
export function Sentences(props: {
  list: readonly { severity: Severity; text: string; hint: string | null }[];
  trans: TranslationBundle;
}): JSX.Element {
  const { list, trans } = props;
  const order: Severity[] = ['error', 'warning', 'note'];
  const ranked = [...list].sort((a, b) => order.indexOf(a.severity) - order.indexOf(b.severity));
  return (
    <ul className="jp-EnvMagic-sentences">
      {ranked.map(({ severity, text, hint }, index) => (
        <li key={index} data-severity={severity}>
          <b>
            <span aria-hidden="true">{MARKS[severity]}</span> {severityWord(severity, trans)}
          </b>{' '}
          <Words text={text} />
          {hint && (
            <div className="jp-EnvMagic-soft">
              <Words text={hint} />
            </div>
          )}
        </li>
      ))}
    </ul>
  );
}

/** A sentence whose names stand in backticks, as code. */
export function Words({ text }: { text: string }): JSX.Element {
  return (
    <>
      {withoutColours(text)
        .split('`')
        .map((part, index) => (index % 2 ? <code key={index}>{part}</code> : part))}
    </>
  );
}
