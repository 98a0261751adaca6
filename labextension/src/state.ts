/** What the panel can show, as a union of its faces; and what the badge says of each. Pure. */

import type { Answer } from './answer.js';
import { Change, Fault, Look, Report, Requests, Work } from './wire.js';

/** What there is to say where no comparison can be shown. */
export type Blank =
  | { face: 'no-document' }
  | { face: 'no-kernel' }
  | { face: 'starting' }
  | { face: 'died' }
  | { face: 'not-python'; language: string }
  | { face: 'asking' }
  | { face: 'busy' }
  /** It has not answered in time; `again`: it is being asked once more. */
  | { face: 'silent'; again: boolean }
  | Lacking
  | { face: 'older-here'; version: string }
  | { face: 'refused'; error: Fault }
  | { face: 'crashed'; message: string };

/** The kernel's environment has no envmagic, or one that knows nothing of this panel. */
export type Lacking =
  | { face: 'missing'; installing: boolean; problem: string }
  | { face: 'older-there'; version: string; installing: boolean; problem: string };

/** Something to say once: a refusal, or a file that was written. */
export type Notice =
  | { error: true; text: string; hint: string }
  | { error: false; wrote: Requests['freeze'] };

/** A comparison, and what is at work. */
export interface Ready {
  face: 'ready';
  look: Look;
  report: Report | null;
  rows: readonly Change[];
  work: Work | null;
  log: string;
  /** Whether a new comparison is being made. */
  refreshing: boolean;
  /** Something to say once: a file that was written, a refusal. */
  notice: Notice | null;
  /** Whether it has to wait for the running cell: the kernel has no subshells. */
  waits: boolean;
}

export type State = Blank | Ready;

/** Whether the kernel has no envmagic that could answer. */
export function isLacking(state: State): state is Lacking {
  return state.face === 'missing' || state.face === 'older-there';
}

/** Whether there is work that has not ended. */
export function isAtWork(work: Work | null): work is Work {
  return work !== null && work.state !== 'ended';
}

/** Returns what is shown where there is no answer; the same state: nothing is new. */
export function withFailure(state: State, answer: Answer<unknown>): State {
  switch (answer.kind) {
    case 'ok':
    case 'gone': // the kernel's status tells why
      return state;
    case 'refused':
      return state.face === 'ready' ? withRefusal(state, answer.error) : { face: 'refused', error: answer.error };
    case 'missing':
    case 'older':
      if (answer.kind === 'older' && answer.side === 'here') {
        return { face: 'older-here', version: answer.version };
      }
      return withLack(state, answer.kind === 'older' ? answer.version : null);
    case 'crashed':
      return { face: 'crashed', message: answer.message };
    case 'silent':
      return { face: 'silent', again: false };
  }
}

function withRefusal(state: Ready, { message: text, hint }: Fault): Ready {
  return { ...state, refreshing: false, notice: { text, hint: hint ?? '', error: true } };
}

/** What pip has said stays, unless it was at work. */
function withLack(state: State, version: string | null): State {
  const face = version === null ? 'missing' : 'older-there';
  if (state.face === face && !state.installing) {
    return state;
  }
  const fresh = { installing: false, problem: '' };
  return version === null ? { face: 'missing', ...fresh } : { face: 'older-there', version, ...fresh };
}

/** Returns the report that is asked about, where another one is shown. */
export function questionOf(state: State): string | null {
  if (state.face !== 'ready' || state.work?.state !== 'asking') {
    return null;
  }
  return state.work.report === state.report?.id ? null : state.work.report;
}

/** What the middle of a comparison is. */
export type Face =
  | 'working'
  | 'asking'
  | 'succeeded'
  | 'held'
  | 'rolled-back'
  | 'failed'
  | 'cancelled'
  | 'stopped'
  | 'no-lock'
  | 'several-locks'
  | 'invalid-lock'
  | 'refused'
  | 'equal'
  | 'differs';

/** Returns the face of a comparison: what is at work comes first, then how it has ended. */
export function faceOf(state: Ready): Face {
  return (state.work && faceOfWork(state.work)) ?? faceOfLook(state);
}

/** Returns the face of work; null: it has ended, and what it found is what is shown. */
export function faceOfWork(work: Work): Face | null {
  if (work.state !== 'ended') {
    return work.state;
  }
  if (work.cancelled) {
    return 'cancelled';
  }
  if (work.error) {
    return 'stopped';
  }
  switch (work.outcome?.state) {
    case 'succeeded':
      return 'succeeded';
    case 'held':
      return 'held';
    case 'rolled_back':
      return 'rolled-back';
    case 'failed':
      return 'failed';
    default:
      return null;
  }
}

/** Returns the face of what was compared, whatever is at work. */
export function faceOfLook({ look, report }: Ready): Face {
  if (report) {
    return report.parity ? 'equal' : 'differs';
  }
  if (!look.lock) {
    return look.locks.length > 1 ? 'several-locks' : 'no-lock';
  }
  return isAboutLock(look.error) ? 'invalid-lock' : 'refused';
}

function isAboutLock(error: Fault | null): boolean {
  return error?.kind === 'LockError';
}

/** What the icon of the panel, and the status bar, say in one word. */
export interface Badge {
  kind: 'none' | 'equal' | 'differs' | 'working' | 'restart' | 'attention';
  /** How many projects differ. */
  count: number;
}

export const NO_BADGE: Badge = { kind: 'none', count: 0 };

/** Returns what is said of a state where there is room for one word. */
export function badgeOf(state: State): Badge {
  if (state.face !== 'ready') {
    return NO_BADGE;
  }
  const counts = state.report?.counts;
  const count = counts
    ? counts.install +
      counts.upgrade +
      counts.downgrade +
      counts.reinstall +
      counts.remove +
      counts.held
    : 0;
  const face = faceOf(state);
  // A preview changes nothing, and neither did what was stopped.
  switch (face === 'working' && state.work?.what === 'preview' ? faceOfLook(state) : face) {
    case 'working':
      return { kind: 'working', count };
    case 'equal':
    case 'differs':
    case 'succeeded':
    case 'cancelled':
    case 'stopped':
      if (state.report?.parity) {
        return { kind: restartReasons(state).length ? 'restart' : 'equal', count: 0 };
      }
      return { kind: state.report ? 'differs' : 'none', count };
    case 'no-lock':
    case 'several-locks':
      return NO_BADGE;
    default:
      return { kind: 'attention', count };
  }
}

/** Why the kernel should be restarted, a sentence each; empty: it need not be. */
export function restartReasons(state: Ready): readonly string[] {
  return state.report ? state.report.restart.reasons : (state.work?.outcome?.restart ?? []);
}

/** Returns what a user has to agree to beside the rows: what is built, and from where. */
export function trustQuestions(report: Report): string[] {
  const asked = new Set(['build', 'origin', 'copy']);
  return report.findings.filter(finding => asked.has(finding.kind)).map(finding => finding.text);
}

/** Returns why a report will not be carried out; empty: it can be. */
export function refusals(report: Report): { text: string; hint: string | null }[] {
  return report.findings.filter(finding => finding.kind === 'refused');
}
