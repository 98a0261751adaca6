/** What a kernel's reply means: an answer, or why there is none. Pure. */

import { Fault, REPLIES, Requests, SCHEMA } from './wire.js';

export type Answer<T> =
  | { kind: 'ok'; data: T }
  /** A user can do something about it. */
  | { kind: 'refused'; error: Fault }
  /** envmagic is not installed in the kernel's environment. */
  | { kind: 'missing' }
  /** One of both sides is too old to understand the other. */
  | { kind: 'older'; side: 'there' | 'here'; version: string }
  /** The kernel did not answer in time. */
  | { kind: 'silent' }
  /** The kernel, or the line to it, is no more. */
  | { kind: 'gone' }
  /** An error of envmagic itself. */
  | { kind: 'crashed'; message: string };

/** The value of a silent expression, as the kernel sends it. */
export interface Value {
  status: string;
  data?: Record<string, unknown>;
  ename?: string;
  evalue?: string;
}

/** Returns the expression that makes the kernel answer a request; it leaves no name behind. */
export function expressionFor(method: string, args: object): string {
  // JSON is a literal of Python too, once it is a string in a string.
  const text = JSON.stringify(JSON.stringify({ schema: SCHEMA, method, args }));
  return `__import__('envmagic.face.panel', fromlist=['handle']).handle(${text})`;
}

/** Returns what a kernel has answered to a request. */
export function readAnswer<M extends keyof Requests>(
  method: M,
  value: Value | undefined
): Answer<Requests[M]> {
  if (!value) {
    return { kind: 'crashed', message: 'the kernel evaluates no expressions' };
  }
  if (value.status !== 'ok') {
    return readFailure(value);
  }
  const data = value.data?.['application/json'];
  if (!isReply(data)) {
    return { kind: 'crashed', message: `the reply to ${method} is not one of envmagic` };
  }
  if (data.schema !== SCHEMA) {
    const side = data.schema < SCHEMA ? 'there' : 'here';
    return { kind: 'older', side, version: data.envmagic };
  }
  if (data.error && Object.keys(data).length === 3) {
    // Schema, version, and nothing beside it.
    return data.error.kind === 'OutdatedError'
      ? { kind: 'older', side: 'there', version: data.envmagic }
      : { kind: 'refused', error: data.error };
  }
  const wrong = REPLIES[method].find(data);
  if (wrong !== null) {
    return { kind: 'crashed', message: `the reply to ${method} is not as agreed: ${wrong}` };
  }
  return { kind: 'ok', data: data as unknown as Requests[M] };
}

interface Reply {
  schema: number;
  envmagic: string;
  error?: Fault | null;
}

function isReply(data: unknown): data is Reply {
  return (
    typeof data === 'object' &&
    data !== null &&
    typeof (data as Reply).schema === 'number' &&
    typeof (data as Reply).envmagic === 'string'
  );
}

function readFailure(value: Value): Answer<never> {
  const said = value.evalue ?? '';
  if (value.ename === 'ModuleNotFoundError' && said === "No module named 'envmagic'") {
    return { kind: 'missing' };
  }
  if (value.ename === 'ModuleNotFoundError' && said.includes("'envmagic.")) {
    return { kind: 'older', side: 'there', version: '' };
  }
  return { kind: 'crashed', message: maskSecrets(`${value.ename}: ${said}`) };
}

const USERINFO = /:\/\/(?:[^\s/@:]*:(?!\d+(?:\/|\s|$))\S*|[^\s/@]*)@/g;
const QUERY = /(:\/\/[^\s?#]*\?)[^\s#]+/g;

/** Returns a text without the secrets of its URLs: what stands before an `@`, and queries. */
export function maskSecrets(text: string): string {
  return text.replace(USERINFO, '://****@').replace(QUERY, '$1****');
}
