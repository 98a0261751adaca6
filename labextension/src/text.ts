/** The words of the panel, each through the translation bundle. Pure. */

import type { TranslationBundle } from '@jupyterlab/translation';

import { Badge } from './state.js';
import { Counts, Kind, Report, Requests, Severity } from './wire.js';

/** Returns what happens to a project, in one word. */
export function kindWord(kind: Kind, trans: TranslationBundle): string {
  switch (kind) {
    case 'install':
      return trans.__('install');
    case 'upgrade':
      return trans.__('upgrade');
    case 'downgrade':
      return trans.__('downgrade');
    case 'reinstall':
      return trans.__('reinstall');
    case 'remove':
      return trans.__('remove');
    case 'keep':
      return trans.__('keep');
    case 'held':
      return trans.__('held');
    case 'equal':
      return trans.__('equal');
  }
}

/** Returns how bad something is, in one word. */
export function severityWord(severity: Severity, trans: TranslationBundle): string {
  switch (severity) {
    case 'error':
      return trans.__('error');
    case 'warning':
      return trans.__('warning');
    case 'note':
      return trans.__('note');
  }
}

/** Returns how a report counts, a phrase each: `14 to install`. */
export function countPhrases(report: Report, trans: TranslationBundle): string[] {
  const { install, upgrade, downgrade, reinstall, remove, held } = report.counts;
  const phrases: [number, string][] = [
    [install, trans._n('%1 to install', '%1 to install', install)],
    [upgrade, trans._n('%1 to upgrade', '%1 to upgrade', upgrade)],
    [downgrade, trans._n('%1 to downgrade', '%1 to downgrade', downgrade)],
    [reinstall, trans._n('%1 to reinstall', '%1 to reinstall', reinstall)],
    [remove, trans._n('%1 to remove', '%1 to remove', remove)],
    [held, trans._n('%1 held', '%1 held', held)]
  ];
  return phrases.filter(([count]) => count).map(([, phrase]) => phrase);
}

/** Returns how much was changed, a phrase each: `14 installed`. */
export function donePhrases(done: Counts, trans: TranslationBundle): string[] {
  const { install, upgrade, downgrade, reinstall, remove } = done;
  const phrases: [number, string][] = [
    [install, trans._n('%1 installed', '%1 installed', install)],
    [upgrade, trans._n('%1 upgraded', '%1 upgraded', upgrade)],
    [downgrade, trans._n('%1 downgraded', '%1 downgraded', downgrade)],
    [reinstall, trans._n('%1 reinstalled', '%1 reinstalled', reinstall)],
    [remove, trans._n('%1 removed', '%1 removed', remove)]
  ];
  return phrases.filter(([count]) => count).map(([, phrase]) => phrase);
}

/** Returns what the badge says, for the status bar and for a screen reader. */
export function badgeWords(badge: Badge, trans: TranslationBundle): string {
  switch (badge.kind) {
    case 'none':
      return '';
    case 'equal':
      return trans.__('Environment: equal to its lock');
    case 'differs':
      return trans._n(
        'Environment: %1 project differs',
        'Environment: %1 projects differ',
        badge.count
      );
    case 'working':
      return trans.__('Environment: being changed');
    case 'restart':
      return trans.__('Environment: equal to its lock, restart the kernel');
    case 'attention':
      return trans.__('Environment: needs your attention');
  }
}

/** Returns a phase of the kernel's work in the reader's language. */
export function phaseWords(phase: string, trans: TranslationBundle): string {
  switch (phase) {
    case 'Starting':
      return trans.__('Starting');
    case 'Fetching':
      return trans.__('Fetching');
    case 'Building':
      return trans.__('Building');
    case 'Checking the plan':
      return trans.__('Checking the plan');
    case 'Changing':
      return trans.__('Changing');
    case 'Checking':
      return trans.__('Checking the result');
    case 'Running the smoke test':
      return trans.__('Running the smoke test');
    case 'Putting back':
    case 'Cancelling: putting back what was changed':
      return trans.__('Putting back');
    case 'At work':
      return trans.__('At work');
    default:
      return phase;
  }
}

/** Returns why there is no answer from a kernel that is busy. */
export function busyWords(trans: TranslationBundle): string {
  return trans.__(
    'Its answer comes when the running cell ends: there are no subshells here (ipykernel 7 and JupyterLab 4.4 have them).'
  );
}

/** Returns the size of a memory as a person reads it. */
export function memoryWords(bytes: number): string {
  return `${(bytes / 2 ** 30).toFixed(bytes < 10 * 2 ** 30 ? 1 : 0)} GiB`;
}

/** Returns what is said of a file that was written. */
export function wroteWords({ wrote, summary }: Requests['freeze'], trans: TranslationBundle): string {
  return trans.__('Wrote %1: %2', `\`${wrote}\``, summary);
}

/** Returns a text without the colours that a tool gives a terminal. */
export function withoutColours(text: string): string {
  return text.replace(/\u001b\[[0-9;]*[A-Za-z]/g, '');
}
